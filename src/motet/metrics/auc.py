"""AUC: how often what happened scores above what did not."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from motet.metrics.base import PointMetric
from motet.metrics.mean import same_shape, weighted
from motet.metrics.probability import check_probabilities


class AUC(PointMetric):
    r"""Area under the receiver operating characteristic, exact.

    $$ AUC = \frac{\sum_{i, j} w_i y_i \, w_j (1 - y_j) \, ([s_i > s_j] + [s_i = s_j] / 2)}
                  {\sum_i w_i y_i \sum_j w_j (1 - y_j)} $$

    1 is perfect, one half is chance and what a constant score gets. Any increasing function of the scores gives the
    same. NaN where there is no positive or no negative, and so for one row. A label between 0 and 1 counts as that
    share of a positive. All scores are kept until `compute`, which sorts them.

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
        self.parts: list[tuple[Tensor, Tensor, Tensor]] = []

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
        self.parts.append((values, counts * happened, counts * (1 - happened)))

    def merge(self, other: AUC) -> None:
        """Add what another has seen; see `Metric.merge`."""
        self.parts += other.parts

    def compute(self) -> float:
        """The area over all rows seen; NaN where a class is missing."""
        if not self.parts:
            return math.nan
        scores, positives, negatives = (torch.cat(column) for column in zip(*self.parts, strict=True))
        # Equal scores are one step, so that each of its pairs counts half.
        levels, level = scores.unique(return_inverse=True)
        up = torch.zeros_like(levels).index_add_(0, level, positives)
        down = torch.zeros_like(levels).index_add_(0, level, negatives)
        pairs = float(up.sum() * down.sum())
        return float(up.dot(down.cumsum(0) - down / 2)) / pairs if pairs else math.nan
