"""Additive: metrics that follow from sums, so that the sums of each user tell the figure of any sample of users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.metrics.base import ByUser, Metric
from motet.metrics.mean import Mean, counted, weighted


class Additive(Metric, ABC):
    r"""A metric that is a function of sums over rows or over queries.

    $$ figure = f\Big( \sum_u c_u \, T_u \Big) $$

    with the sums $T_u$ of user u and the number of times $c_u$ that the user counts. A thousand draws of users are one
    product of matrices.
    """

    @abstractmethod
    def totals(self, columns: Sequence[Tensor], groups: Int[Tensor, " rows"], size: int) -> Float[Tensor, "size sums"]:
        """The sums of every group of rows.

        Args:
            columns: What `update` takes, weights included, of all rows.
            groups: The group of each row, from 0; rows of one query are of one group.
            size: How many groups there are.

        Returns:
            Float64; zeros for a group without rows.
        """

    def finish(self, totals: Float[Tensor, "*draws sums"]) -> Float[Tensor, "*draws"]:
        """The figure that follows from sums: a mean, of the sum of weighted values and that of weights.

        Args:
            totals: Sums in the last dimension.

        Returns:
            One figure for each line of sums; NaN where nothing counts.
        """
        return totals[..., 0] / totals[..., 1]

    def by_user(self, columns: Sequence[Tensor], users: Int[Tensor, " rows"], size: int) -> ByUser:
        """One product of matrices for all draws; see `Metric.by_user`."""
        totals = self.totals(columns, users, size)
        return lambda counts: self.finish(counts @ totals)


class RowMean(Additive, ABC):
    r"""A metric that averages one value a row.

    $$ f\Big( \frac{\sum_i w_i x_i}{\sum_i w_i} \Big) $$
    """

    def __init__(self) -> None:
        self.mean = Mean()

    @abstractmethod
    def values(self, first: Float[Tensor, " rows"], second: Tensor) -> Float[Tensor, " rows"]:
        """What is averaged.

        Args:
            first: Scores, or ranks.
            second: Labels, or queries.

        Returns:
            One value a row.
        """

    def merge(self, other: Self) -> None:
        """Add what another has seen; see `Metric.merge`."""
        self.mean.merge(other.mean)

    def compute(self) -> float:
        """The figure over all rows seen; NaN where there were none."""
        return float(self.finish(torch.tensor([self.mean.total, self.mean.weight], dtype=torch.float64)))

    def totals(self, columns: Sequence[Tensor], groups: Int[Tensor, " rows"], size: int) -> Float[Tensor, "size sums"]:
        """The sum of the values and that of the weights; see `Additive.totals`."""
        first, second, weights = columns
        values, kept = weighted(self.values(first, second), weights)
        return sums(values, kept, groups[counted(weights)], size)


def sums(
    values: Float[Tensor, " n"], weights: Float[Tensor, " n"], groups: Int[Tensor, " n"], size: int
) -> Float[Tensor, "size 2"]:
    """What the mean of a group is made of.

    Args:
        values: What is averaged.
        weights: What each counts for.
        groups: The group of each, from 0.
        size: How many groups there are.

    Returns:
        The sum of weighted values and that of weights, of each group.
    """
    found = torch.zeros(2, size, dtype=torch.float64, device=values.device)
    found[0].index_add_(0, groups, values * weights)
    found[1].index_add_(0, groups, weights)
    return found.T
