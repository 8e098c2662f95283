"""Conflict: how hard each task pulls at the vectors that tasks share, and whether they pull the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor


def task_gradients(losses: Mapping[str, Float[Tensor, ""]], shared: Sequence[Tensor]) -> dict[str, Float[Tensor, " n"]]:
    """Each task's gradient with respect to the shared vectors, all in one row; the graph is kept.

    Args:
        losses: By task, times their weights.
        shared: The vectors at which the tasks meet.

    Returns:
        By task.
    """
    found = {}
    trained = [vectors for vectors in shared if vectors.requires_grad]
    for name, loss in losses.items():
        gradients = iter(torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True) if trained else ())
        parts = [next(gradients) if at.requires_grad else None for at in shared]
        found[name] = torch.cat(
            [
                (at.new_zeros(at.shape) if part is None else part).flatten()
                for part, at in zip(parts, shared, strict=True)
            ]
        )
    return found


def conflict(losses: Mapping[str, Float[Tensor, ""]], shared: Sequence[Tensor]) -> dict[str, float]:
    r"""Shares of the gradient and cosines between tasks.

    $$ share_t = \frac{\|g_t\|}{\sum_s \|g_s\|}, \qquad cosine_{st} = \frac{g_s \cdot g_t}{\|g_s\| \, \|g_t\|} $$

    Args:
        losses: By task, times their weights.
        shared: The vectors at which the tasks meet.

    Returns:
        `"gradient/<task>"` for each task and `"cosine/<task>/<task>"` for each pair; a cosine below 0 is a conflict.
        Nothing for fewer than two tasks, or where nothing is shared.

    Source:
        Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, definition 1.
    """
    if len(losses) < 2 or not shared:
        return {}
    gradients = task_gradients(losses, shared)
    norms = {name: gradient.norm() for name, gradient in gradients.items()}
    total = torch.stack(list(norms.values())).sum().clamp(min=1e-30)
    figures = {f"gradient/{name}": float(norm / total) for name, norm in norms.items()}
    for a, b in combinations(gradients, 2):
        product = (norms[a] * norms[b]).clamp(min=1e-30)
        figures[f"cosine/{a}/{b}"] = float(gradients[a].dot(gradients[b]) / product)
    return figures
