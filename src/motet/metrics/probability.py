"""Check of probabilities."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from motet.errors import DataError


def check_probabilities(
    name: str, values: Float[Tensor, " rows"], weights: Float[Tensor, " rows"] | None = None
) -> None:
    """Check that values lie in [0, 1].

    Args:
        name: What the values are, for the message.
        values: One per row; NaN passes, because its meaning depends on the caller.
        weights: Rows of weight 0 are ignored; by default no row is.

    Raises:
        DataError: If a value lies outside [0, 1]; the message names the first such row.
    """
    wrong = (values < 0) | (values > 1)
    if weights is not None and weights.shape == wrong.shape:  # whoever reads the weights refuses other shapes
        wrong &= weights != 0
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise DataError(f"the {name} of row {row} is {values[row].item():g}; it must lie in [0, 1]")
