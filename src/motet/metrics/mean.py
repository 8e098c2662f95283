"""Mean: the weighted mean that most metrics end in."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motet.errors import DataError


class Mean:
    r"""A weighted mean in double precision, however many parts it comes in.

    $$ \frac{\sum_i w_i x_i}{\sum_i w_i} $$

    Example:
        >>> mean = Mean()
        >>> mean.update(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 1.0]))
        >>> mean.compute()
        2.0
    """

    def __init__(self) -> None:
        self.total = 0.0
        self.weight = 0.0

    def update(self, values: Float[Tensor, " n"], weights: Float[Tensor, " n"] | None = None) -> None:
        """Add values.

        Args:
            values: What is averaged.
            weights: What each counts for; 1 where not given. A value of weight 0 is not looked at.

        Raises:
            DataError: If a value that counts is NaN, or a weight is negative or NaN.
        """
        values, weights = weighted(values, weights)
        self.total += float(values.dot(weights))
        self.weight += float(weights.sum())

    def merge(self, other: Mean) -> None:
        """Add what another has seen.

        Args:
            other: A mean of the same thing.
        """
        self.total += other.total
        self.weight += other.weight

    def compute(self) -> float:
        """The mean; NaN where nothing counts."""
        return self.total / self.weight if self.weight else math.nan


def weighted(
    values: Float[Tensor, " n"], weights: Float[Tensor, " n"] | None
) -> tuple[Float[Tensor, " kept"], Float[Tensor, " kept"]]:
    """The values that count, with their weights.

    Args:
        values: One a row.
        weights: One a row; 1 where not given.

    Returns:
        Values and weights, float64, of the rows whose weight is not 0: the very tensors that were given, where they are
        float64 and all rows count.

    Raises:
        DataError: If a value that counts is NaN, a weight is negative or NaN, or the shapes differ.
    """
    values = values.detach().double()
    weights = torch.ones_like(values) if weights is None else weights.detach().double()
    same_shape("values", values, "weights", weights)
    if counted(weights) == slice(None) and not values.sum().isnan():  # two passes and no copy say that all is well
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
    """Which rows count.

    Args:
        weights: One a row; all count where not given.

    Returns:
        An index of those above 0; where that is all of them, the slice that copies nothing.
    """
    if weights is None or (len(weights) and weights.amin() > 0):
        return slice(None)
    return weights > 0


def joined(parts: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Columns that came in several parts.

    Args:
        parts: At least one, each with the same columns.

    Returns:
        The columns; those of a single part as they are.
    """
    return parts[0] if len(parts) == 1 else tuple(torch.cat(column) for column in zip(*parts, strict=True))


def same_shape(name: str, first: Tensor, other: str, second: Tensor) -> None:
    """Refuse columns that would broadcast into a table: [n] against [n, 1] gives n x n numbers.

    Args:
        name: What the first tensor is.
        first: One number a row.
        other: What the second tensor is.
        second: Likewise.

    Raises:
        DataError: If they are not two columns of the same length.
    """
    if first.ndim != 1 or first.shape != second.shape:
        shapes = f"{name} have shape {list(first.shape)} and {other} {list(second.shape)}"
        raise DataError(f"{shapes}; both must be [rows]: squeeze the last dimension of [rows, 1]")
