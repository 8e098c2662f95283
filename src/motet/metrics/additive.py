"""Additive: metrics computed from sums, so that the sums of each user give the figure of any sample of users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.metrics.base import ByUser, Metric
from motet.metrics.columns import counted, weighted


class Additive(Metric, ABC):
    r"""A metric that is a function of sums over rows or over queries.

    $$ figure = f\Big( \sum_u c_u \, T_u \Big) $$

    with the sums $T_u$ of user u and the number of times $c_u$ that the user counts. A thousand draws of users take one
    matrix product.
    """

    @abstractmethod
    def totals(self, columns: Sequence[Tensor], groups: Int[Tensor, " rows"], size: int) -> Float[Tensor, "size sums"]:
        """The sums of every group of rows.

        Args:
            columns: The arguments of `update`, weights included, for all rows.
            groups: The group of each row, from 0; a query's rows belong to one group.
            size: Number of groups.

        Returns:
            Float64; zeros for groups without rows.
        """

    def finish(self, totals: Float[Tensor, "*draws sums"]) -> Float[Tensor, "*draws"]:
        """Compute the figure from sums; by default a mean, from the sum of weighted values and the sum of weights.

        Args:
            totals: Sums in the last dimension.

        Returns:
            One figure per set of sums; NaN if the total weight is 0.
        """
        return totals[..., 0] / totals[..., 1]

    def by_user(self, columns: Sequence[Tensor], users: Int[Tensor, " rows"], size: int) -> ByUser:
        """One matrix product for all draws; see `Metric.by_user`."""
        totals = self.totals(columns, users, size)
        return lambda counts: self.finish(counts @ totals)


class RowMean(Additive, ABC):
    r"""A metric that averages one value per row.

    $$ f\Big( \frac{\sum_i w_i x_i}{\sum_i w_i} \Big) $$
    """

    def __init__(self) -> None:
        self.sums = torch.zeros(2, dtype=torch.float64)  # of weighted values, and of weights

    @abstractmethod
    def values(self, first: Float[Tensor, " rows"], second: Tensor) -> Float[Tensor, " rows"]:
        """The values to average.

        Args:
            first: Scores, or ranks.
            second: Labels, or queries.

        Returns:
            One value per row.
        """

    def add(self, values: Float[Tensor, " rows"], weights: Float[Tensor, " rows"] | None) -> None:
        """Add values to the mean, in double precision.

        Args:
            values: One per row.
            weights: Weight of each row; 1 by default.

        Raises:
            DataError: If a value with a positive weight is NaN, or a weight is negative or NaN.
        """
        values, weights = weighted(values, weights)
        self.sums = self.sums.to(values.device) + torch.stack([values.dot(weights), weights.sum()])

    def merge(self, other: Self) -> None:
        """Add the rows of another metric; see `Metric.merge`."""
        self.sums = self.sums + other.sums.to(self.sums.device)

    def compute(self) -> float:
        """The figure over all rows; NaN if there are none."""
        return float(self.finish(self.sums))

    def totals(self, columns: Sequence[Tensor], groups: Int[Tensor, " rows"], size: int) -> Float[Tensor, "size sums"]:
        """The sums of weighted values and of weights; see `Additive.totals`."""
        first, second, weights = columns
        values, kept = weighted(self.values(first, second), weights)
        return sums(values, kept, groups[counted(weights)], size)


def sums(
    values: Float[Tensor, " n"], weights: Float[Tensor, " n"], groups: Int[Tensor, " n"], size: int
) -> Float[Tensor, "size 2"]:
    """The sums behind the mean of each group.

    Args:
        values: Values to average.
        weights: Weight of each value.
        groups: Group of each value, from 0.
        size: Number of groups.

    Returns:
        The sums of weighted values and of weights, per group.
    """
    found = torch.zeros(2, size, dtype=torch.float64, device=values.device)
    found[0].index_add_(0, groups, values * weights)
    found[1].index_add_(0, groups, weights)
    return found.T
