"""Reliability: observed frequencies against predicted probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.errors import ConfigError, did_you_mean
from motet.metrics.columns import same_shape, weighted
from motet.metrics.probability import check_probabilities

Binning = Literal["width", "mass"]
EDGES = ("amin", "amax")


@dataclass(frozen=True)
class ReliabilityCurve:
    """Bins of predicted probabilities, ascending; empty bins are left out.

    Attributes:
        predicted: Mean predicted probability of each bin.
        observed: Mean label of each bin.
        rows: Total weight of each bin.
        lower: Smallest probability of each bin.
        upper: Largest probability of each bin.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    rows: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]


def equal_width(probs: Float[Tensor, " rows"], bins: int) -> Int[Tensor, " rows"]:
    """Assign probabilities to bins of equal width.

    Args:
        probs: Probabilities in [0, 1].
        bins: Number of bins; bin m, from 0, holds (m / bins, (m + 1) / bins], and bin 0 also holds 0.

    Returns:
        Bin numbers from 0.

    Example:
        >>> equal_width(torch.tensor([0.0, 0.25, 0.3, 1.0]), 4)
        tensor([0, 0, 1, 3])
    """
    return ((probs * bins).ceil().long() - 1).clamp(min=0)


def equal_mass(probs: Float[Tensor, " rows"], weights: Float[Tensor, " rows"], bins: int) -> Int[Tensor, " rows"]:
    """Assign probabilities to bins of equal weight, as far as possible: equal probabilities stay together.

    Args:
        probs: One per row.
        weights: Weight of each row.
        bins: Number of bins. A probability goes to the bin of the midpoint of its cumulative weight.

    Returns:
        Bin numbers from 0; some bins may be empty.

    Example:
        >>> equal_mass(torch.tensor([0.1, 0.2, 0.2, 0.9]), torch.ones(4), 4)
        tensor([0, 2, 2, 3])
    """
    levels, level = probs.unique(return_inverse=True)
    mass = torch.zeros(len(levels), dtype=torch.float64, device=probs.device).index_add_(0, level, weights.double())
    middle = (mass.cumsum(0) - mass / 2) / mass.sum()
    return (middle * bins).long().clamp(max=bins - 1)[level]


def reliability_curve(
    probs: Float[Tensor, " rows"],
    labels: Float[Tensor, " rows"],
    weights: Float[Tensor, " rows"] | None = None,
    *,
    bins: int = 15,
    by: Binning = "mass",
) -> ReliabilityCurve:
    r"""Observed frequency in each bin of predicted probabilities; equal to the prediction if calibrated.

    $$ conf(B_m) = \frac{\sum_{i \in B_m} w_i p_i}{\sum_{i \in B_m} w_i}, \qquad
       acc(B_m) = \frac{\sum_{i \in B_m} w_i y_i}{\sum_{i \in B_m} w_i} $$

    Args:
        probs: Predicted probabilities in [0, 1].
        labels: 0 or 1, or a share.
        weights: Weight of each row; 1 by default. Rows of weight 0 are ignored.
        bins: Maximum number of bins. 15 is the value most papers report.
        by: `"width"` for bins of equal width, as in `ECE`; `"mass"` for bins of equal weight, which show more if nearly
            all probabilities are small.

    Returns:
        The curve; without bins if there are no rows.

    Raises:
        ConfigError: If `bins` is below 1, or `by` is unknown.
        DataError: If a probability or a label with a positive weight lies outside [0, 1] or is NaN.

    Source:
        Niculescu-Mizil and Caruana, "Predicting Good Probabilities With Supervised Learning", ICML 2005, for the curve;
        Nguyen and O'Connor, "Posterior Calibration and Exploratory Analysis for Natural Language Processing Models",
        EMNLP 2015, for bins of equal mass.

    Example:
        >>> curve = reliability_curve(torch.tensor([0.25, 0.25, 0.75]), torch.tensor([0.0, 1.0, 1.0]), bins=2)
        >>> curve.predicted, curve.observed
        ((0.25, 0.75), (0.5, 1.0))
    """
    check_bins(bins)
    if by not in get_args(Binning):
        raise ConfigError(f"by={by!r} is not one of width, mass{did_you_mean(by, get_args(Binning))}")
    same_shape("probs", probs, "labels", labels)
    check_probabilities("probability", probs, weights)
    check_probabilities("label", labels, weights)
    predicted, counts = weighted(probs, weights)
    happened, _ = weighted(labels, weights)
    found = equal_width(predicted, bins) if by == "width" else equal_mass(predicted, counts, bins)
    used, place = found.unique(return_inverse=True)
    sums = torch.zeros(3, len(used), dtype=torch.float64, device=probs.device)
    sums.index_add_(1, place, torch.stack([counts, counts * predicted, counts * happened]))
    edges = [torch.zeros_like(sums[0]).scatter_reduce(0, place, predicted, how, include_self=False) for how in EDGES]
    columns = (sums[1] / sums[0], sums[2] / sums[0], sums[0], *edges)
    return ReliabilityCurve(*(tuple(column.tolist()) for column in columns))


def check_bins(bins: int) -> None:
    """Check the number of bins.

    Args:
        bins: Number of bins.

    Raises:
        ConfigError: If it is below 1.
    """
    if bins < 1:
        raise ConfigError(f"bins={bins}; there must be at least one")
