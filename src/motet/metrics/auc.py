"""AUC: how often a positive scores above a negative."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.metrics.base import ByUser, PointMetric
from motet.metrics.columns import counted, joined, same_shape, weighted
from motet.metrics.probability import check_probabilities


class AUC(PointMetric):
    r"""Area under the receiver operating characteristic, exact.

    $$ AUC = \frac{\sum_{i, j} w_i y_i \, w_j (1 - y_j) \, ([s_i > s_j] + [s_i = s_j] / 2)}
                  {\sum_i w_i y_i \sum_j w_j (1 - y_j)} $$

    1 is perfect; chance and constant scores give one half. Increasing functions of the scores do not change it. NaN if
    there is no positive or no negative, so also for a single row. A label between 0 and 1 counts as that share of a
    positive. All scores are kept until `compute`, which sorts them.

    Source:
        Hanley and McNeil, "The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC) Curve",
        Radiology 1982.

    Example:
        >>> auc = AUC()
        >>> auc.update(torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([0.0, 0.0, 1.0, 1.0]))
        >>> auc.compute()
        0.75
    """

    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def update(
        self,
        scores: Float[Tensor, " batch"],
        labels: Float[Tensor, " batch"],
        weights: Float[Tensor, " batch"] | None = None,
    ) -> None:
        """Add rows; see `PointMetric.update`."""
        same_shape("scores", scores, "labels", labels)
        check_probabilities("label", labels, weights)
        values, counts = weighted(scores, weights)
        happened, _ = weighted(labels, weights)
        self.seen.append((values, counts * happened, counts * (1 - happened)))

    def merge(self, other: AUC) -> None:
        """Add the rows of another metric; see `Metric.merge`."""
        self.seen += other.seen

    def compute(self) -> float:
        """The area over all rows; NaN if a class is missing."""
        if not self.seen:
            return math.nan
        scores, positives, negatives = joined(self.seen)
        levels, level = scores.unique(return_inverse=True)
        return float(_area(positives, negatives, level, len(levels)))

    def by_user(self, columns: Sequence[Tensor], users: Int[Tensor, " rows"], size: int) -> ByUser:  # noqa: ARG002
        """Sorts once for all draws; see `Metric.by_user`."""
        scores, labels, weights = columns
        (scores, kept), (happened, _) = weighted(scores, weights), weighted(labels, weights)
        positives, negatives, users = kept * happened, kept * (1 - happened), users[counted(weights)]
        levels, level = scores.unique(return_inverse=True)
        order = level.argsort(stable=True)  # contiguous in memory, twice as fast
        positives, negatives, users, level = (part[order] for part in (positives, negatives, users, level))

        def figures(counts: Tensor) -> Tensor:
            drawn = (count[users] for count in counts)
            return torch.stack([_area(positives * n, negatives * n, level, len(levels)) for n in drawn])

        return figures


def _area(positives: Tensor, negatives: Tensor, level: Tensor, levels: int) -> Tensor:
    """The area; equal scores share a level, whose pairs count one half each. NaN if a class is missing."""
    up, down = positives.new_zeros(2, levels)
    up = up.index_add(0, level, positives)
    down = down.index_add(0, level, negatives)
    area: Tensor = up.dot(down.cumsum(0) - down / 2) / (up.sum() * down.sum())
    return area
