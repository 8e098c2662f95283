"""The nearest direction that increases no loss."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def dual_cone_weights(wanted: Float[Tensor, "*lines tasks"], gramian: Float[Tensor, "tasks tasks"]) -> Tensor:
    r"""Project combinations of gradients onto the directions that make an angle of at most 90 degrees with each.

    $$ \min_v v^\top G v \quad \text{with} \quad v \ge u $$

    Exact, by active sets; gradients are brought to one length first, so that their scales do not matter.

    Args:
        wanted: Weights u of the combinations to project.
        gramian: Products of the gradients; none of them is 0.

    Returns:
        Weights v of the projections, shaped as `wanted`.

    Source:
        Quinton and Rey, "Jacobian Descent for Multi-Objective Optimization", 2024, proposition 1; Bro and De Jong, "A
        Fast Non-Negativity-Constrained Least Squares Algorithm", Journal of Chemometrics 1997, for the solver.
    """
    norms = gramian.diagonal().sqrt()
    cosines = (gramian / norms.outer(norms)).double()
    cosines += 1e-10 * torch.eye(len(norms), dtype=cosines.dtype, device=cosines.device)  # for parallel gradients
    lines = (wanted * norms).double().reshape(-1, len(norms))
    found = torch.stack([line + _least(cosines, cosines @ line) for line in lines])
    return (found.reshape(wanted.shape) / norms).to(wanted.dtype)


def _least(matrix: Tensor, slope: Tensor) -> Tensor:
    """Minimise half of x'Mx plus slope'x over x of 0 or more."""
    x = torch.zeros_like(slope)
    free = torch.zeros_like(slope, dtype=torch.bool)
    tolerance = 1e-9 * float(slope.abs().max())
    for _ in range(10 * len(slope)):  # each pass lowers the objective; far fewer are ever needed
        descent = torch.where(free, float("-inf"), -(slope + matrix @ x))
        if not float(descent.max()) > tolerance:
            break
        free[descent.argmax()] = True
        x = _settle(matrix, slope, x, free)
    return x


def _settle(matrix: Tensor, slope: Tensor, x: Tensor, free: Tensor) -> Tensor:
    """The minimum over the free coordinates, of which those that would turn negative are bound to 0."""
    while True:
        best = torch.zeros_like(x)
        best[free] = torch.linalg.solve(matrix[free][:, free], -slope[free])
        below = free & (best <= 0)
        if not below.any():
            return best
        share = (x[below] / (x[below] - best[below]).clamp(min=1e-300)).min()
        x = x + share * (best - x)
        bound = below & (x <= 1e-14)
        free &= ~(bound if bound.any() else below)
        x = torch.where(free, x, 0.0)
