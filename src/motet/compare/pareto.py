"""Trade-offs: the Pareto front of some points, and its hypervolume."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motet.errors import ConfigError


def pareto_front(points: Float[Tensor, "points objectives"], *, lower: Sequence[bool]) -> Bool[Tensor, " points"]:
    r"""The points that no other point dominates.

    $$ a \text{ dominates } b \iff \forall j: a_j \ge b_j \text{ and } \exists j: a_j > b_j $$

    Equal points do not dominate each other: all of them are on the front. A point with a NaN is never on it.

    Args:
        points: One row per point, one column per objective.
        lower: For each objective, whether lower is better: see `motet.metrics.direction`.

    Returns:
        True for the points on the front.

    Raises:
        ConfigError: If `lower` does not have one value per objective.

    Example:
        >>> pareto_front(torch.tensor([[0.90, 0.17], [0.92, 0.18], [0.93, 0.17]]), lower=[True, False])
        tensor([ True,  True, False])
    """
    gains = _more_is_better(points, lower)
    known = ~gains.isnan().any(1)
    return torch.tensor(
        [bool(each) and not _dominated(gain, gains) for gain, each in zip(gains, known, strict=True)], dtype=torch.bool
    )


def hypervolume(
    points: Float[Tensor, "points objectives"], reference: Float[Tensor, " objectives"], *, lower: Sequence[bool]
) -> float:
    r"""The hypervolume between a reference point and the front of some points.

    $$ HV = \lambda\Big( \bigcup_p \prod_j [r_j, p_j] \Big) $$

    with $\lambda$ the volume and the sign of every objective chosen so that higher is better. It is exact, computed by
    slices along the last objective, for few objectives and a few hundred points. Points that do not beat the reference
    in every objective, or have a NaN, add nothing.

    Args:
        points: One row per point, one column per objective.
        reference: One value per objective, such as those of a simple rule.
        lower: For each objective, whether lower is better.

    Returns:
        The volume; 0 if no point beats the reference. Only volumes with the same reference can be compared.

    Raises:
        ConfigError: If `lower` does not have one value per objective.

    Source:
        Zitzler and Thiele, "Multiobjective Evolutionary Algorithms: A Comparative Case Study and the Strength Pareto
        Approach", IEEE Transactions on Evolutionary Computation 3(4), 1999; slices: While et al., "A Faster Algorithm
        for Calculating Hypervolume", IEEE Transactions on Evolutionary Computation 10(1), 2006.

    Example:
        >>> points = torch.tensor([[1.0, 3.0], [2.0, 1.0]])
        >>> hypervolume(points, torch.tensor([0.0, 0.0]), lower=[False, False])
        4.0
    """
    gains = _more_is_better(points, lower) - _more_is_better(reference[None], lower)
    return _volume(gains[(gains > 0).all(1)])


def _more_is_better(points: Tensor, lower: Sequence[bool]) -> Tensor:
    if len(lower) != points.shape[1]:
        raise ConfigError(
            f"lower has {len(lower)} values for {points.shape[1]} objectives; give one each: whether lower is better"
        )
    return points.double() * torch.tensor([-1.0 if each else 1.0 for each in lower], dtype=torch.float64)


def _dominated(gain: Tensor, gains: Tensor) -> bool:
    return bool(((gains >= gain).all(1) & (gains > gain).any(1)).any())


def _volume(gains: Tensor) -> float:
    """The union of the boxes from the origin, as slices along the last objective."""
    if not len(gains):
        return 0.0
    if gains.shape[1] == 1:
        return float(gains.max())
    gains = gains[gains[:, -1].argsort(descending=True)]
    heights = gains[:, -1] - torch.cat([gains[1:, -1], gains.new_zeros(1)])
    if gains.shape[1] == 2:
        return float((heights * gains[:, 0].cummax(0).values).sum())
    slices = (height * _volume(gains[: row + 1, :-1]) for row, height in enumerate(heights.tolist()) if height > 0)
    return float(sum(slices))
