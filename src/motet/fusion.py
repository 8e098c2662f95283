"""Fusion: from one score a task to one score an item."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def fuse(
    scores: Mapping[str, Float[Tensor, "users candidates"]],
    weights: Mapping[str, float],
    allowed: Bool[Tensor, "users candidates"],
) -> Float[Tensor, "users candidates"]:
    r"""The weighted sum of task scores, each standardised over a user's candidates so that units do not matter.

    $$ f(u, i) = \sum_t w_t \, \frac{s_t(u, i) - \mathrm{mean}_j \, s_t(u, j)}{\mathrm{std}_j \, s_t(u, j)} $$

    A task that gives all candidates of a user the same score adds 0.

    Args:
        scores: By task, in the task's unit.
        weights: By task; 0 for a task that is not named. A negative weight moves items down.
        allowed: Which entries are candidates; the others take no part in means and deviations.

    Returns:
        Fused scores; minus infinity for entries that are not allowed.

    Example:
        >>> stars, clicks = torch.tensor([[5.0, 3.0]]), torch.tensor([[0.01, 0.03]])
        >>> fuse({"stars": stars, "clicks": clicks}, {"stars": 2.0, "clicks": 1.0}, torch.tensor([[True, True]]))
        tensor([[ 1., -1.]])
    """
    used = {name: weight for name, weight in weights.items() if weight}
    fused = torch.zeros(allowed.shape, device=allowed.device)
    banned = ~allowed
    if used:
        parts = _standardised(torch.stack([scores[name] for name in used]), banned)
        for weight, part in zip(used.values(), parts, strict=True):
            fused = fused + weight * part
    return fused.masked_fill(banned, -math.inf)


def _standardised(scores: Tensor, banned: Tensor) -> Tensor:
    """Scores of several tasks, [tasks, users, candidates], in deviations from their means."""
    count = (banned.shape[1] - banned.sum(1, keepdim=True)).clamp(min=1)
    scores = scores.masked_fill(banned, 0.0)
    centred = (scores - scores.sum(2, keepdim=True) / count).masked_fill(banned, 0.0)
    std = (centred.square().sum(2, keepdim=True) / count).sqrt()
    # Rounding leaves equal scores with a spread in the last digit, which must not be scaled up to a preference.
    alike = std <= 1e-6 * scores.abs().sum(2, keepdim=True) / count
    return (centred / std).masked_fill(alike, 0.0)
