"""Critical values of Student's t-distribution, for confidence intervals with an estimated standard error."""

from __future__ import annotations

import math

import torch

STEPS = 1 << 14  # of the numerical integral
MANY = 1e4  # degrees of freedom from which on the distribution is normal to four digits


def critical_value(level: float, freedom: float) -> float:
    r"""The number t for which a share `level` of the distribution lies between -t and t.

    The substitution $x = \sqrt{\nu} \tan \theta$ turns the density into $\cos^{\nu - 1} \theta$ on a finite interval,
    which is integrated numerically.

    Args:
        level: The share of the distribution, such as .95.
        freedom: Degrees of freedom, 1 or more; infinite for the normal distribution.

    Returns:
        The critical value t; 1.96 for a level of .95 and many degrees of freedom.

    Example:
        >>> round(critical_value(0.95, 2), 3), round(critical_value(0.95, math.inf), 3)
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
