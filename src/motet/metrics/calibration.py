"""Calibration: whether events predicted with a probability of 10 % happen one time in ten."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.arguments import checked
from motet.metrics.additive import Additive
from motet.metrics.base import Bias, ByUser, PointMetric
from motet.metrics.columns import counted, same_shape, weighted
from motet.metrics.probability import check_probabilities
from motet.metrics.reliability import check_bins, equal_width


@checked
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
        ConfigError: If `bins` is below 1.
        DataError: If a probability or a label lies outside [0, 1] or is NaN; the message names the first such row.

    Source:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3.

    Example:
        >>> expected_calibration_error(torch.tensor([0.25, 0.25, 0.75]), torch.tensor([0.0, 0.0, 1.0]))
        0.25
    """
    ece = ECE(bins)
    ece.update(probs, labels)
    return ece.compute()


class ECE(Additive, PointMetric):
    r"""The expected calibration error, accumulated over batches; rows may have weights.

    $$ ECE = \sum_m \Big| \sum_{i \in B_m} w_i (y_i - p_i) \Big| \Big/ \sum_i w_i $$

    Bin m, from 1, holds the probabilities in ((m - 1) / bins, m / bins], and bin 1 also holds 0. NaN if there are no
    rows; with one row, its error.

    Chance alone opens gaps: with few rows, the figure lies above its value in the population. It is reported
    uncorrected, as in the literature; its confidence interval subtracts the `bias`, and may lie below it.

    Args:
        bins: Equal-width bins. 15 is the value most papers report.

    Raises:
        ConfigError: If `bins` is below 1.

    Source:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3.

    Example:
        >>> ece = ECE()
        >>> ece.update(torch.tensor([0.25, 0.75]), torch.tensor([0.0, 1.0]), torch.tensor([3.0, 1.0]))
        >>> ece.compute()
        0.25
    """

    def __init__(self, bins: int = 15) -> None:
        check_bins(bins)
        self.bins = bins
        self.sums = torch.zeros(bins + 1, dtype=torch.float64)  # the gap of each bin, and the total weight

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
        weights = torch.ones_like(scores) if weights is None else weights
        groups = torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
        self.sums = self.sums.to(scores.device) + self.totals((scores, labels, weights), groups, 1)[0]

    def merge(self, other: ECE) -> None:
        """Add the rows of another metric; see `Metric.merge`."""
        self.sums = self.sums + other.sums.to(self.sums.device)

    def compute(self) -> float:
        """The error over all rows; NaN if there are none."""
        return float(self.finish(self.sums))

    def totals(self, columns: Sequence[Tensor], groups: Int[Tensor, " rows"], size: int) -> Float[Tensor, "size sums"]:
        """The gap of each bin, and the total weight; see `Additive.totals`."""
        scores, labels, weights = columns
        (probs, counts), (happened, _) = weighted(scores, weights), weighted(labels, weights)
        groups = groups[counted(weights)]
        found = equal_width(probs, self.bins)
        gaps = torch.zeros(size * self.bins, dtype=torch.float64, device=probs.device)
        gaps.index_add_(0, groups * self.bins + found, counts * (happened - probs))
        weight = torch.zeros(size, dtype=torch.float64, device=probs.device).index_add_(0, groups, counts)
        return torch.cat([gaps.view(size, self.bins), weight[:, None]], 1)

    def finish(self, totals: Float[Tensor, "*draws sums"]) -> Float[Tensor, "*draws"]:
        """The sum of absolute gaps over the total weight; see `Additive.finish`."""
        return totals[..., :-1].abs().sum(-1) / totals[..., -1]

    def spread(self, columns: Sequence[Tensor], users: Int[Tensor, " rows"], size: int) -> ByUser:
        r"""The gaps of each draw, with the signs of the gaps over all rows; see `Metric.spread`.

        $$ \sum_m sign(g_m) \, g^*_m $$

        with the gap $g_m$ of a bin over all rows and $g^*_m$ in a draw. Absolute values have a corner at 0: chance can
        only enlarge a gap there, so absolute gaps vary less between draws than signed gaps.

        Source:
            Fang and Santos, "Inference on Directionally Differentiable Functions", Review of Economic Studies 86, 2019,
            on why the bootstrap fails at such a corner.
        """
        totals = self.totals(columns, users, size)
        signs = totals[:, :-1].sum(0).sign()

        def figures(counts: Tensor) -> Tensor:
            drawn = counts @ totals
            return (drawn[:, :-1] * signs).sum(1) / drawn[:, -1]

        return figures

    def bias(self, columns: Sequence[Tensor], users: Int[Tensor, " rows"], size: int) -> Bias:
        r"""How much chance adds to the absolute gaps; see `Metric.bias`.

        The estimate of a gap $\gamma$ with a standard error e over users has the expected size of a folded normal,

        $$ E|\hat\gamma| = e \sqrt{2 / \pi} \, \exp\big( - \tfrac{\gamma^2}{2 e^2} \big)
           + \gamma \, erf\big( \tfrac{\gamma}{e \sqrt 2} \big) $$

        The true gap behind an observed gap g is unknown. If it is g itself, chance added the least; if it is
        $\sqrt{\max(g^2 - e^2, 0)}$, whose square is unbiased, the most.

        Source:
            Leone, Nelson and Nottingham, "The Folded Normal Distribution", Technometrics 3, 1961; Kumar, Liang and Ma,
            "Verified Uncertainty Calibration", NeurIPS 2019, section 5, for squares without bias.
        """
        totals = self.totals(columns, users, size)
        weight = totals[:, -1].sum()
        gaps = totals[:, :-1].sum(0) / weight
        errors = ((totals[:, :-1] - gaps * totals[:, -1:]) / weight).square().sum(0).sqrt()
        behind = (gaps.square() - errors.square()).clamp(min=0).sqrt()
        return Bias(*(float((_folded(each, errors) - each).sum()) for each in (gaps.abs(), behind)))


def _folded(means: Float[Tensor, " bins"], errors: Float[Tensor, " bins"]) -> Float[Tensor, " bins"]:
    """The expected absolute value of normal variables."""
    ratio = means / errors.clamp(min=torch.finfo(errors.dtype).tiny)
    return errors * math.sqrt(2 / math.pi) * (-ratio.square() / 2).exp() + means * (ratio / math.sqrt(2)).erf()
