"""Fusion: combines the scores of several tasks into one score per item."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motet.errors import ConfigError, did_you_mean
from motet.preference import LARGEST

NUMBERS: tuple[type[Any], ...] = (int, float, np.number)


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
        allowed: Which entries are candidates; the others do not count towards means and standard deviations.

    Returns:
        Fused scores; minus infinity for entries that are not candidates.

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


def fusion_weights(by: Mapping[str, Any], tasks: Collection[str]) -> dict[str, float]:
    """Check the weights of `fuse`, whether they come from a caller, a file or a request.

    Args:
        by: The weight of each task; 0 for a task that is not named.
        tasks: The names of the model's tasks.

    Returns:
        The weights that `by` names, as floats.

    Raises:
        ConfigError: If a name is not a task, a weight is not a finite number of at most 1e30, or all are 0.
    """
    for name, weight in by.items():
        if name not in tasks:
            hint = did_you_mean(name, tasks)
            raise ConfigError(f"by names {name!r}, which is no task of the model{hint} Tasks: {', '.join(tasks)}.")
        if not isinstance(weight, NUMBERS) or not abs(weight) <= LARGEST:
            raise ConfigError(
                f"by gives task {name!r} the weight {weight!r}; it must be a finite number, at most {LARGEST:g}"
            )
    if not any(by.values()):
        raise ConfigError(
            f"every task has weight 0, so all items are equal; give one of {', '.join(tasks)} another weight"
        )
    return {name: float(weight) for name, weight in by.items()}


def _standardised(scores: Tensor, banned: Tensor) -> Tensor:
    """Scores of shape [tasks, users, candidates], each line with mean 0 and standard deviation 1."""
    count = (banned.shape[1] - banned.sum(1, keepdim=True)).clamp(min=1)
    scores = scores.masked_fill(banned, 0.0)
    centred = (scores - scores.sum(2, keepdim=True) / count).masked_fill(banned, 0.0)
    std = (centred.square().sum(2, keepdim=True) / count).sqrt()
    # Rounding makes equal scores differ in the last digit, which must not be scaled up to a standard deviation of 1.
    alike = std <= 1e-6 * scores.abs().sum(2, keepdim=True) / count
    return (centred / std).masked_fill(alike, 0.0)
