"""Losses of logits for binary labels."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from motet.losses.pointwise import same_shape


def binary_cross_entropy(
    logits: Float[Tensor, "*rows"], labels: Float[Tensor, "*labels"], *, positive_weight: float = 1.0
) -> Float[Tensor, "*rows"]:
    r"""Binary cross-entropy.

    $$ \ell = -w y \log \sigma(z) - (1 - y) \log (1 - \sigma(z)) $$

    Args:
        logits: Log-odds, any shape.
        labels: 0 or 1, or a probability; the same shape.
        positive_weight: w, the weight of a positive relative to a negative. It raises the optimal logit by log w.

    Returns:
        One loss per element, at least 0.

    Raises:
        DataError: If the shapes differ.

    Example:
        >>> binary_cross_entropy(torch.zeros(2), torch.tensor([0.0, 1.0]))
        tensor([0.6931, 0.6931])
    """
    return -positive_weight * same_shape(labels, logits) * F.logsigmoid(logits) - (1 - labels) * F.logsigmoid(-logits)


def focal(
    logits: Float[Tensor, "*rows"],
    labels: Float[Tensor, "*labels"],
    *,
    gamma: float = 2.0,
    positive_weight: float = 1.0,
) -> Float[Tensor, "*rows"]:
    r"""Focal loss: cross-entropy that down-weights rows whose prediction is already right, to focus on hard rows.

    $$ \ell = -w y (1 - p)^\gamma \log p - (1 - y) p^\gamma \log (1 - p), \qquad p = \sigma(z) $$

    Its optimal p is not the true probability; `focal_log_odds` corrects the logits.

    Args:
        logits: Any shape.
        labels: 0 or 1, or a probability; the same shape.
        gamma: Strength of the down-weighting; 0 gives the cross-entropy, 2 was best in the paper.
        positive_weight: w, the weight of a positive relative to a negative.

    Returns:
        One loss per element, at least 0.

    Raises:
        DataError: If the shapes differ.

    Source:
        Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, eq. 4 and 5.

    Example:
        >>> focal(torch.zeros(2), torch.tensor([0.0, 1.0]))
        tensor([0.1733, 0.1733])
    """
    hit, miss = F.logsigmoid(logits), F.logsigmoid(-logits)
    positive = same_shape(labels, logits) * (gamma * miss).exp() * hit
    return -positive_weight * positive - (1 - labels) * (gamma * hit).exp() * miss


def focal_log_odds(logits: Float[Tensor, "*rows"], *, gamma: float) -> Float[Tensor, "*rows"]:
    r"""The true log-odds for which a logit is optimal under the focal loss.

    $$ \log \frac{h(p)}{h(1 - p)}, \qquad h(p) = \frac{p}{(1 - p)^\gamma - \gamma (1 - p)^{\gamma - 1} p \log p} $$

    Order and sign do not change: the focal loss preserves the order of rows and pulls probabilities towards one half.

    Args:
        logits: Logits of a model trained with the focal loss.
        gamma: The gamma of that loss.

    Returns:
        Log-odds.

    Source:
        Charoenphakdee et al., "On Focal Loss for Class-Posterior Probability Estimation", CVPR
        2021.

    Example:
        >>> focal_log_odds(torch.tensor([-1.0, 0.0, 1.0]), gamma=0.0)
        tensor([-1.,  0.,  1.])
    """
    return _log_h(logits, gamma) - _log_h(-logits, gamma)


def _log_h(logits: Tensor, gamma: float) -> Tensor:
    hit, miss = F.logsigmoid(logits), F.logsigmoid(-logits)
    # In logarithms, because 1 - p underflows in single precision long before the logit overflows.
    bracket = miss if gamma == 0 else torch.logaddexp(miss, hit + (-gamma * hit).log())
    return hit - (gamma - 1) * miss - bracket
