"""Funnel losses: every stage is trained on the entire space of impressions."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from motet.losses.pointwise import same_shape


def cumulative_log_probs(
    logits: Float[Tensor, "*rows stages"],
) -> tuple[Float[Tensor, "*rows stages"], Float[Tensor, "*rows stages"]]:
    r"""Log-probabilities of reaching each stage, and of not reaching it.

    $$ P_k = \prod_{j \le k} \sigma(z_j), \qquad 1 - P_k = (1 - P_{k - 1}) + P_{k - 1} \, (1 - \sigma(z_k)) $$

    Both are computed from sums of positive terms in logarithms, without cancellation, however likely a stage is.

    Args:
        logits: Log-odds of each stage, given the one before.

    Returns:
        Two tensors of the shape of the logits.

    Example:
        >>> reached, missed = cumulative_log_probs(torch.zeros(1, 3))
        >>> reached.exp(), missed.exp()
        (tensor([[0.5000, 0.2500, 0.1250]]), tensor([[0.5000, 0.7500, 0.8750]]))
    """
    reached = F.logsigmoid(logits).cumsum(-1)
    stopped = F.logsigmoid(-logits)
    missed = [stopped[..., 0]]
    for stage in range(1, logits.shape[-1]):
        missed.append(torch.logaddexp(missed[-1], reached[..., stage - 1] + stopped[..., stage]))
    return reached, torch.stack(missed, -1)


def funnel_losses(
    logits: Float[Tensor, "rows stages"], labels: Float[Tensor, "rows labels"]
) -> Float[Tensor, "rows stages"]:
    r"""Cross-entropy of every stage over the entire space: its label against the probability of reaching it.

    $$ \ell_k = - y_k \log P_k - (1 - y_k) \log (1 - P_k), \qquad P_k = \prod_{j \le k} \sigma(z_j) $$

    Args:
        logits: Log-odds of each stage, given the one before.
        labels: 1 for stages that were reached, 0 for others, NaN where unknown.

    Returns:
        One loss per row and stage, 0 where the label is unknown.

    Raises:
        DataError: If the shapes differ.

    Source:
        Ma et al., "Entire Space Multi-Task Model: An Effective Approach for Estimating Post-Click Conversion Rate",
        SIGIR 2018, eq. 5.

    Example:
        >>> funnel_losses(torch.zeros(1, 3), torch.tensor([[1.0, 0.0, torch.nan]]))
        tensor([[0.6931, 0.2877, 0.0000]])
    """
    reached, missed = cumulative_log_probs(logits)
    known = ~same_shape(labels, logits).isnan()
    labels = labels.nan_to_num()
    return (-labels * reached - (1 - labels) * missed).where(known, 0.0)
