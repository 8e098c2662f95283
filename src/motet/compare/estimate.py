"""Estimates over seeds: what the chance of the users and that of the seeds leave open, together."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from motet.compare.comparison import Estimate

STEPS = 1 << 14  # of the integral


def estimate(value: float, by_seed: Float[Tensor, " seeds"], draws: Float[Tensor, " draws"], level: float) -> Estimate:
    r"""A figure that was measured on several seeds, and its interval.

    Two things could have come out otherwise: which users there are, and what each seed drew. The first is the variance
    over samples of users, each sample the same in all seeds, of the mean over seeds; the second is the variance between
    seeds, divided by their number. Both together make a t-interval, whose degrees of freedom fall to the number of
    seeds less one as the seeds take over:

    $$ x \pm t_\nu \sqrt{V + B / n}, \qquad \nu = (n - 1) \frac{(V + B / n)^2}{(B / n)^2} $$

    Where each seed draws the test rows too, a part of their chance is in both terms, and the interval errs towards the
    wide. Of one seed the interval knows the users alone.

    Args:
        value: The figure.
        by_seed: The figure of each seed, from which B comes.
        draws: The figure of every sample of users, from which V comes; NaN where a sample leaves nothing to measure.
        level: The share of such intervals that hold the truth.

    Returns:
        The figure and its interval; NaN where there is nothing to measure.

    Source:
        Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", Biometrics Bulletin 1946.

    Example:
        >>> found = estimate(1.0, torch.tensor([0.9, 1.0, 1.1]), torch.zeros(9), 0.95)
        >>> round(found.low, 3), round(found.high, 3)
        (0.752, 1.248)
    """
    known = draws[~draws.isnan()].double()
    users = float(known.var(correction=0)) if len(known) else math.nan
    seeds = len(by_seed)
    between = float(by_seed.double().var()) / seeds if seeds > 1 else 0.0
    total = users + between
    if math.isnan(total):
        return Estimate(value=value, low=math.nan, high=math.nan)
    freedom = (seeds - 1) * (total / between) ** 2 if between else math.inf
    reach = student(level, freedom) * math.sqrt(total)
    return Estimate(value=value, low=value - reach, high=value + reach)


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
    if freedom > 1e4:
        return math.sqrt(2) * float(torch.erfinv(torch.tensor(level, dtype=torch.float64)))
    angle = torch.linspace(0, math.pi / 2, STEPS, dtype=torch.float64)
    share = torch.cumulative_trapezoid(angle.cos() ** (freedom - 1), angle)
    at = int(torch.searchsorted(share, level * share[-1]))
    before = float(share[at - 1]) if at else 0.0
    part = (level * float(share[-1]) - before) / (float(share[at]) - before)
    return math.sqrt(freedom) * math.tan(float(angle[at]) + part * float(angle[1]))
