"""PerQuery: a metric of one user's ranked list, averaged over users."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.data.batch import distinct
from motet.metrics.additive import Additive, sums
from motet.metrics.base import CorpusMetric, check_list_length
from motet.metrics.columns import counted, joined, same_shape, weighted


class PerQuery(Additive, CorpusMetric):
    r"""A figure of the top k of each query (user), averaged over queries.

    $$ \frac{\sum_q w_q M_q}{\sum_q w_q} \qquad
    M_q = \frac{1}{best(n_q)} \sum_{j : place_{qj} \le k} gain(place_{qj}, j) \qquad place_{qj} = \max(rank_{qj}, j) $$

    for the j-th best of the n_q positives of query q, whose weight is the mean weight of its positives. Positives to
    which an optimistic tie rule or a repeated row gives the same rank do not share a place, so no list is better than
    perfect; those that tie with each other under the pessimistic rule all take the last of their places. Positives of
    one query may come in any order and in several parts. NaN if there are none; rows of weight 0 are ignored.

    Args:
        k: Length of the list; all candidates by default.

    Raises:
        ConfigError: If k is below 1.
    """

    def __init__(self, k: int | None = None) -> None:
        check_list_length(k)
        self.k = float("inf") if k is None else k
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    @property
    def depth(self) -> float:
        """Length of the list; see `CorpusMetric.depth`."""
        return self.k

    def limited(self, k: int) -> Self:
        """The metric of lists of another length.

        Args:
            k: Length of the list.

        Returns:
            A fresh metric.

        Raises:
            ConfigError: If k is below 1.
        """
        check_list_length(k)
        fresh = copy(self)
        fresh.k, fresh.seen = k, []
        return fresh

    def gain(self, places: Float[Tensor, " n"], numbers: Float[Tensor, " n"]) -> Float[Tensor, " n"]:  # noqa: ARG002
        """The gain of each positive on the list; by default 1.

        Args:
            places: Its place on the list, from 1.
            numbers: Its number among the positives of its query, best first, from 1.

        Returns:
            One gain per positive.
        """
        return torch.ones_like(places)

    @abstractmethod
    def best(self, sizes: Int[Tensor, " q"]) -> Float[Tensor, " q"]:
        """The best possible sum of gains, by which a query's gains are divided.

        Args:
            sizes: Number of positives of each query.

        Returns:
            One number per query.
        """

    def update(
        self,
        ranks: Float[Tensor, " positives"],
        queries: Int[Tensor, " positives"],
        weights: Float[Tensor, " positives"] | None = None,
    ) -> None:
        """Add positives; see `CorpusMetric.update`."""
        same_shape("ranks", ranks, "queries", queries)
        ranks, kept_weights = weighted(ranks, weights)
        if len(ranks):
            self.seen.append((ranks, kept_weights, queries[counted(weights)]))

    def merge(self, other: Self) -> None:
        """Add the rows of another metric; see `Metric.merge`."""
        self.seen += other.seen

    def compute(self) -> float:
        """The mean over all queries; NaN if there are none."""
        if not self.seen:
            return math.nan
        ranks, weights, queries = joined(self.seen)
        return float(self.finish(self.totals((ranks, queries, weights), torch.zeros_like(queries), 1)[0]))

    def totals(self, columns: Sequence[Tensor], groups: Int[Tensor, " rows"], size: int) -> Float[Tensor, "size sums"]:
        """The sums of the queries' weighted figures and of their weights; see `Additive.totals`."""
        ranks, queries, weights = columns
        ranks, kept = weighted(ranks, weights)
        queries, groups = queries[counted(weights)], groups[counted(weights)]
        if not len(ranks):
            return torch.zeros(size, 2, dtype=torch.float64, device=ranks.device)
        figures, counts, rows = self._each(ranks, kept, queries)
        return sums(figures, counts, groups[rows], size)

    def _each(self, ranks: Tensor, weights: Tensor, queries: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The figure of each query, its weight, and one of its rows."""
        if (queries.diff() < 0).any():
            _, query, first, sizes = distinct(queries)
        else:  # an evaluation passes them in order
            _, query, sizes = queries.unique_consecutive(return_inverse=True, return_counts=True)
            first = sizes.cumsum(0) - sizes
        found = torch.zeros(len(sizes), dtype=torch.float64, device=ranks.device)
        weight = torch.zeros_like(found).index_add_(0, query, weights) / sizes
        order = (ranks <= self.k).nonzero()[:, 0]  # positives outside the list add nothing and need no sorting
        order = order[ranks[order].argsort()]
        order = order[query[order].argsort(stable=True)]
        listed = torch.bincount(query[order], minlength=len(sizes))
        numbers = torch.arange(1, len(order) + 1, device=order.device) - (listed.cumsum(0) - listed)[query[order]]
        places = torch.maximum(ranks[order], numbers)
        gains = self.gain(places, numbers.double()) * (places <= self.k)
        return found.index_add_(0, query[order], gains) / self.best(sizes), weight, first
