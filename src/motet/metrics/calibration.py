"""Calibration: whether what is given a probability of 10 % happens once in ten times."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from motet.errors import ConfigError
from motet.metrics.base import PointMetric
from motet.metrics.mean import same_shape, weighted
from motet.metrics.probability import check_probabilities


def expected_calibration_error(
    probs: Float[Tensor, " rows"], labels: Float[Tensor, " rows"], *, bins: int = 15
) -> float:
    r"""Mean gap between predicted probability and observed frequency, weighted by bin size.

    $$ ECE = \sum_m \frac{|B_m|}{n} \, | acc(B_m) - conf(B_m) | $$

    Args:
        probs: Predicted probabilities in [0, 1], shape [rows].
        labels: 0 or 1, shape [rows].
        bins: Equal-width bins. 15 is the value most papers report.

    Returns:
        A scalar in [0, 1]; 0 is perfect. NaN if there are no rows.

    Raises:
        ConfigError: If there is not one bin.
        DataError: If a probability lies outside [0, 1]; the message names the first such row.

    Source:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3.

    Example:
        >>> expected_calibration_error(torch.tensor([0.25, 0.25, 0.75]), torch.tensor([0.0, 0.0, 1.0]))
        0.25
    """
    ece = ECE(bins)
    ece.update(probs, labels)
    return ece.compute()


class ECE(PointMetric):
    r"""The expected calibration error, collected over batches; rows may have weights.

    $$ ECE = \sum_m \Big| \sum_{i \in B_m} w_i (y_i - p_i) \Big| \Big/ \sum_i w_i $$

    Bin m holds the probabilities in (m - 1, m] / bins, and the first one 0 as well. NaN where there are no rows; with
    one row, its error.

    Args:
        bins: Equal-width bins. 15 is the value most papers report.

    Raises:
        ConfigError: If there is not one.

    Source:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3.
    """

    def __init__(self, bins: int = 15) -> None:
        if bins < 1:
            raise ConfigError(f"bins={bins}; there must be at least one")
        self.bins = bins
        self.gaps = torch.zeros(bins, dtype=torch.float64)
        self.weight = 0.0

    def update(
        self,
        scores: Float[Tensor, " batch"],
        labels: Float[Tensor, " batch"],
        weights: Float[Tensor, " batch"] | None = None,
    ) -> None:
        """Add rows; the scores are probabilities. See `PointMetric.update`."""
        same_shape("scores", scores, "labels", labels)
        check_probabilities("probability", scores, weights)
        check_probabilities("label", labels, weights)
        probs, counts = weighted(scores, weights)
        happened, _ = weighted(labels, weights)
        found = ((probs * self.bins).ceil().long() - 1).clamp(min=0)
        self.gaps = self.gaps.to(probs.device).index_add(0, found, counts * (happened - probs))
        self.weight += float(counts.sum())

    def merge(self, other: ECE) -> None:
        """Add what another has seen; see `Metric.merge`."""
        self.gaps = self.gaps + other.gaps.to(self.gaps.device)
        self.weight += other.weight

    def compute(self) -> float:
        """The error over all rows seen; NaN where there were none."""
        return float(self.gaps.abs().sum()) / self.weight if self.weight else math.nan
