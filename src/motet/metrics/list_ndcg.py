"""ListNDCG: NDCG of a user's rows, ordered by score against by label."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.layers.lists import Lists, discounts, gains
from motet.metrics.additive import Additive, sums
from motet.metrics.base import ListMetric, check_list_length
from motet.metrics.columns import counted, joined, same_shape, weighted


class ListNDCG(Additive, ListMetric):
    r"""Normalised discounted cumulative gain of each user's graded rows, averaged over users.

    $$ NDCG_q@k = \frac{DCG_q(\text{by score})}{DCG_q(\text{by label})}, \qquad
       DCG = \sum_{r : rank_r \le k} \frac{2^{y_r} - 1}{\log_2(1 + rank_r)} $$

    Ranks are among the user's own rows; `NDCG` ranks the whole catalogue instead. Among equal scores the lower label
    ranks first, so a constant score gives every list its worst order. Users whose labels are all 0 are left out; users
    whose labels are all equal and above 0 get 1. The weight of a list is the mean weight of its rows; rows of weight 0
    are ignored. NaN if no list is left.

    Args:
        k: Length of the list; all of it by default.

    Raises:
        ConfigError: If k is below 1.

    Source:
        Burges et al., "Learning to Rank using Gradient Descent", ICML 2005, section 6, for the gain.

    Example:
        >>> ndcg = ListNDCG()
        >>> ndcg.update(torch.tensor([0.1, 0.9]), torch.tensor([1.0, 0.0]), torch.tensor([7, 7]))
        >>> round(ndcg.compute(), 4)
        0.6309
    """

    def __init__(self, k: int | None = None) -> None:
        check_list_length(k)
        self.k = float("inf") if k is None else k
        self.seen: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    def update(
        self,
        scores: Float[Tensor, " batch"],
        labels: Float[Tensor, " batch"],
        queries: Int[Tensor, " batch"],
        weights: Float[Tensor, " batch"] | None = None,
    ) -> None:
        """Add rows; see `ListMetric.update`."""
        same_shape("scores", scores, "labels", labels)
        same_shape("scores", scores, "queries", queries)
        values, kept_weights = weighted(scores, weights)
        if len(values):
            self.seen.append((values, weighted(labels, weights)[0], queries[counted(weights)], kept_weights))

    def merge(self, other: ListNDCG) -> None:
        """Add the rows of another metric; see `Metric.merge`."""
        self.seen += other.seen

    def compute(self) -> float:
        """The mean over all lists with a label above 0; NaN if there are none."""
        if not self.seen:
            return math.nan
        columns = joined(self.seen)
        return float(self.finish(self.totals(columns, torch.zeros_like(columns[2]), 1)[0]))

    def totals(self, columns: Sequence[Tensor], groups: Int[Tensor, " rows"], size: int) -> Float[Tensor, "size sums"]:
        """The sums of the lists' weighted figures and of their weights; see `Additive.totals`."""
        kept = columns[3] > 0
        lists = Lists.of(columns[1][kept].double(), columns[2][kept])
        rows = kept.nonzero()[:, 0][lists.rows]
        scores, labels, weights = (column[rows].double() for column in (columns[0], columns[1], columns[3]))
        worth = gains(labels)
        by_score, by_label = (discounts(lists.number, by, labels, self.k) for by in (scores, labels))
        found, best = lists.total(worth * by_score), lists.total(worth * by_label)
        group = torch.empty_like(lists.sizes).index_copy_(0, lists.number, groups[rows])
        ordered = best > 0
        figures, counts = found / best, lists.total(weights) / lists.sizes
        return sums(figures[ordered], counts[ordered], group[ordered], size)
