"""Calibration: whether what is given a probability of 10 % happens once in ten times."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.metrics.additive import Additive
from motet.metrics.base import ByUser, PointMetric
from motet.metrics.mean import counted, same_shape, weighted
from motet.metrics.probability import check_probabilities
from motet.metrics.reliability import check_bins, equal_width

BEYOND = 20  # standard errors that no draw strays by
CERTAIN = 1e3  # standard errors beyond which a gap is no work of chance
HALVINGS = 50  # of what lies between these, to 1e-12


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


class ECE(Additive, PointMetric):
    r"""The expected calibration error, collected over batches; rows may have weights.

    $$ ECE = \sum_m \Big| \sum_{i \in B_m} w_i (y_i - p_i) \Big| \Big/ \sum_i w_i $$

    Bin m holds the probabilities in (m - 1, m] / bins, and the first one 0 as well. NaN where there are no rows; with
    one row, its error.

    Chance alone opens gaps: where rows are few, the figure is above that of all rows there could be. The figure is what
    the literature calls ECE all the same; its interval, by `plausible`, is of what lies behind it, and may lie below.

    Args:
        bins: Equal-width bins. 15 is the value most papers report.

    Raises:
        ConfigError: If there is not one.

    Source:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, eq. 3.
    """

    def __init__(self, bins: int = 15) -> None:
        check_bins(bins)
        self.bins = bins
        self.sums = torch.zeros(bins + 1, dtype=torch.float64)  # the gap of each bin, and the weight of all

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
        counted = torch.ones_like(scores) if weights is None else weights
        groups = torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
        self.sums = self.sums.to(scores.device) + self.totals((scores, labels, counted), groups, 1)[0]

    def merge(self, other: ECE) -> None:
        """Add what another has seen; see `Metric.merge`."""
        self.sums = self.sums + other.sums.to(self.sums.device)

    def compute(self) -> float:
        """The error over all rows seen; NaN where there were none."""
        return float(self.finish(self.sums))

    def totals(self, columns: Sequence[Tensor], groups: Int[Tensor, " rows"], size: int) -> Float[Tensor, "size sums"]:
        """The gap of each bin, and the weight of all rows; see `Additive.totals`."""
        scores, labels, weights = columns
        (probs, counts), (happened, _) = weighted(scores, weights), weighted(labels, weights)
        groups = groups[counted(weights)]
        found = equal_width(probs, self.bins)
        gaps = torch.zeros(size * self.bins, dtype=torch.float64, device=probs.device)
        gaps.index_add_(0, groups * self.bins + found, counts * (happened - probs))
        weight = torch.zeros(size, dtype=torch.float64, device=probs.device).index_add_(0, groups, counts)
        return torch.cat([gaps.view(size, self.bins), weight[:, None]], 1)

    def finish(self, totals: Float[Tensor, "*draws sums"]) -> Float[Tensor, "*draws"]:
        """The sizes of the gaps over the weight; see `Additive.finish`."""
        return totals[..., :-1].abs().sum(-1) / totals[..., -1]

    def plausible(self, columns: Sequence[Tensor], users: Int[Tensor, " rows"], size: int) -> ByUser:
        r"""The error that what chance did in a draw turns into the error that was found; see `Metric.plausible`.

        With the gap $g_m$ of a bin over all rows, its standard error $e_m$ over users, and its gap $g^*_m$ in a draw,
        gaps are moved towards 0, or away from it, by as many standard errors c as solve

        $$ \sum_m | s_m(c) + g^*_m - g_m | = \sum_m | g_m |, \qquad s_m(c) = sign(g_m) \max(|g_m| - c \, e_m, 0) $$

        and the error is $\sum_m | s_m(c) |$. That inverts, draw by draw, the test of what may lie behind the figure.

        Source:
            Carpenter, "Test inversion bootstrap confidence intervals", JRSS B 61, 1999.
        """
        totals = self.totals(columns, users, size)
        weight = totals[:, -1].sum()
        gaps = totals[:, :-1].sum(0) / weight
        errors = ((totals[:, :-1] - gaps * totals[:, -1:]) / weight).square().sum(0).sqrt()

        def figures(counts: Tensor) -> Tensor:
            drawn = counts @ totals
            return _undone(gaps, errors, drawn[:, :-1] / drawn[:, -1:] - gaps)

        return figures


def _undone(gaps: Tensor, errors: Tensor, chance: Tensor) -> Tensor:
    """The sum of the sizes of the gaps that each line of chance turns into those that were found; by bisection."""
    far = torch.where(errors > 0, gaps.abs() / errors, 0.0).amax().clamp(max=CERTAIN)
    low, high = (chance.new_full((len(chance), 1), float(end)) for end in (-BEYOND, far))

    def moved(by: Tensor) -> Tensor:
        return gaps.sign() * (gaps.abs() - by * errors).clamp(min=0)

    def reaches(by: Tensor) -> Tensor:
        return (moved(by) + chance).abs().sum(1, keepdim=True) >= gaps.abs().sum()

    low = torch.where(reaches(high), high, low)  # chance alone makes as much
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = reaches(middle)
        low, high = torch.where(enough, middle, low), torch.where(enough, high, middle)
    return moved(low).abs().sum(1).masked_fill(chance.isnan().any(1), torch.nan)
