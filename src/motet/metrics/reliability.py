"""Reliability: what happened, beside the probability it was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.errors import ConfigError, did_you_mean
from motet.metrics.mean import same_shape, weighted
from motet.metrics.probability import check_probabilities

Binning = Literal["width", "mass"]
EDGES = ("amin", "amax")


@dataclass(frozen=True)
class ReliabilityCurve:
    """Bins of predicted probabilities, ascending; those without a row are left out.

    Attributes:
        predicted: The mean probability of each bin.
        observed: The share of its rows in which it happened.
        rows: The weight of its rows.
        lower: Its smallest probability.
        upper: Its largest.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    rows: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]


def equal_width(probs: Float[Tensor, " rows"], bins: int) -> Int[Tensor, " rows"]:
    """The bin of each probability where all bins are equally wide.

    Args:
        probs: In [0, 1].
        bins: How many; bin m, from 0, holds the probabilities in (m, m + 1] / bins, and the first one 0 as well.

    Returns:
        Bins from 0.

    Example:
        >>> equal_width(torch.tensor([0.0, 0.25, 0.3, 1.0]), 4)
        tensor([0, 0, 1, 3])
    """
    return ((probs * bins).ceil().long() - 1).clamp(min=0)


def equal_mass(probs: Float[Tensor, " rows"], weights: Float[Tensor, " rows"], bins: int) -> Int[Tensor, " rows"]:
    """The bin of each probability where all bins hold the same weight, as far as equal probabilities stay together.

    Args:
        probs: One a row.
        weights: What each row counts for.
        bins: How many. A probability belongs where the middle of its rows' weight falls.

    Returns:
        Bins from 0; some may stay empty.

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
    r"""What happened in each bin of predicted probabilities; on the diagonal is calibrated.

    $$ conf(B_m) = \frac{\sum_{i \in B_m} w_i p_i}{\sum_{i \in B_m} w_i}, \qquad
       acc(B_m) = \frac{\sum_{i \in B_m} w_i y_i}{\sum_{i \in B_m} w_i} $$

    Args:
        probs: Predicted probabilities in [0, 1].
        labels: 0 or 1, or a share.
        weights: What each row counts for; 1 where not given. A row of weight 0 is not looked at.
        bins: How many at most. 15 is the value most papers report.
        by: `"width"`: equally wide bins, those of `ECE`; `"mass"`: bins of equal weight, which say more where
            nearly all probabilities are small.

    Returns:
        The curve; of no bins where there are no rows.

    Raises:
        ConfigError: If there is not one bin, or `by` names no rule.
        DataError: If a probability or a label lies outside [0, 1], or one that counts is NaN.

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
    """Refuse what is no number of bins.

    Args:
        bins: How many.

    Raises:
        ConfigError: If there is not one.
    """
    if bins < 1:
        raise ConfigError(f"bins={bins}; there must be at least one")
