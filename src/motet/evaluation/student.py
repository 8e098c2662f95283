"""Student's distribution: how far an estimate of a mean strays, in standard errors that are estimated too."""

from __future__ import annotations

import math

import torch

STEPS = 1 << 14  # of the integral
MANY = 1e4  # degrees of freedom, at which the distribution is normal to four digits


def student(level: float, freedom: float) -> float:
    r"""How far to both sides of 0 the middle of Student's distribution reaches.

    With $x = \sqrt{\nu} \tan \theta$ its density becomes $\cos^{\nu - 1} \theta$, on an interval that has ends.

    Args:
        level: The share of the distribution inside.
        freedom: Degrees of freedom, 1 or more; infinite for a normal distribution.

    Returns:
        The distance, 1.96 for a level of .95 and many degrees of freedom.

    Example:
        >>> round(student(0.95, 2), 3), round(student(0.95, math.inf), 3)
        (4.303, 1.96)
    """
    if freedom > MANY:
        return math.sqrt(2) * float(torch.erfinv(torch.tensor(level, dtype=torch.float64)))
    angle = torch.linspace(0, math.pi / 2, STEPS, dtype=torch.float64)
    share = torch.cumulative_trapezoid(angle.cos() ** (freedom - 1), angle)
    at = int(torch.searchsorted(share, level * share[-1]))
    before = float(share[at - 1]) if at else 0.0
    part = (level * float(share[-1]) - before) / (float(share[at]) - before)
    return math.sqrt(freedom) * math.tan(float(angle[at]) + part * float(angle[1]))
