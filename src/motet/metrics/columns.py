"""Columns: checks and selections of the rows that metrics read."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motet.errors import DataError


def weighted(
    values: Float[Tensor, " n"], weights: Float[Tensor, " n"] | None
) -> tuple[Float[Tensor, " kept"], Float[Tensor, " kept"]]:
    """Select the values with a positive weight.

    Args:
        values: One per row.
        weights: One per row; 1 by default.

    Returns:
        Values and weights in float64, without rows of weight 0; not copied if they are float64 and all rows count.

    Raises:
        DataError: If a value with a positive weight is NaN, a weight is negative or NaN, or the shapes differ.
    """
    values = values.detach().double()
    weights = torch.ones_like(values) if weights is None else weights.detach().double()
    same_shape("values", values, "weights", weights)
    if isinstance(counted(weights), slice) and not values.sum().isnan():  # the usual case needs two passes and no copy
        return values, weights
    wrong = ~(weights >= 0)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise DataError(f"the weight of row {row} is {weights[row].item()}; weights must be 0 or more")
    kept = (weights > 0).nonzero()[:, 0]
    unknown = values[kept].isnan()
    if unknown.any():
        raise DataError(f"row {int(kept[unknown][0])} has a score or a label that is NaN; give such rows weight 0")
    return values[kept], weights[kept]


def counted(weights: Float[Tensor, " n"] | None) -> slice | Bool[Tensor, " n"]:
    """Which rows have a positive weight.

    Args:
        weights: One per row; all rows count by default.

    Returns:
        A mask; or, if all rows count, a slice that copies nothing.
    """
    if weights is None or (len(weights) and weights.amin() > 0):
        return slice(None)
    return weights > 0


def joined(parts: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Concatenate columns that came in several parts.

    Args:
        parts: At least one part, each with the same columns.

    Returns:
        The columns; a single part is not copied.
    """
    return parts[0] if len(parts) == 1 else tuple(torch.cat(column) for column in zip(*parts, strict=True))


def same_shape(name: str, first: Tensor, other: str, second: Tensor) -> None:
    """Refuse columns that would broadcast: [n] with [n, 1] gives n x n numbers.

    Args:
        name: Name of the first tensor.
        first: One number per row.
        other: Name of the second tensor.
        second: One number per row.

    Raises:
        DataError: If they are not two columns of the same length.
    """
    if first.ndim != 1 or first.shape != second.shape:
        shapes = f"{name} have shape {list(first.shape)} and {other} {list(second.shape)}"
        raise DataError(f"{shapes}; both must be [rows]: squeeze the last dimension of [rows, 1]")
