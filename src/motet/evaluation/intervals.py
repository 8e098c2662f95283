"""Intervals: how far a figure may be from that of all users there could be, by a bootstrap over users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.errors import ConfigError, DataError
from motet.evaluation.evidence import Evidence
from motet.metrics.base import ByUser

CELLS = 1 << 22  # draws x users held at once: 32 MB


class Interval(NamedTuple):
    """Between what and what."""

    low: float
    high: float


class Difference(NamedTuple):
    """How much higher one system's figure is than another's, and between what and what that is."""

    difference: float
    low: float
    high: float


def counts(users: int, draws: int, seed: int) -> Iterator[Float[Tensor, "draws users"]]:
    """Samples of as many users as there are, with replacement.

    Args:
        users: How many there are.
        draws: How many samples.
        seed: Of the samples; equal numbers of users get equal samples, which is what makes differences paired.

    Yields:
        How often each user was drawn, a block of samples at a time.
    """
    generator = torch.Generator().manual_seed(seed)
    size = max(1, CELLS // users)
    for start in range(0, draws, size):
        lines = min(size, draws - start)
        drawn = torch.randint(users, (lines, users), generator=generator)
        drawn += torch.arange(lines)[:, None] * users
        yield torch.bincount(drawn.flatten(), minlength=lines * users).view(lines, users).double()


def resample(
    evidence: Evidence, keys: Sequence[str], *, draws: int = 1000, seed: int = 0
) -> Float[Tensor, "draws keys"]:
    """Figures of samples of users.

    Args:
        evidence: What is resampled: users, each with all rows.
        keys: Which figures.
        draws: How many samples.
        seed: Of the samples.

    Returns:
        One figure a sample and key; NaN where a sample leaves nothing to measure.

    Raises:
        ConfigError: If there is not one draw.
        DataError: If the evidence is of fewer than 2 users.
    """
    return _drawn(evidence, evidence.by_user, keys, draws, seed)


def plausible(
    evidence: Evidence, keys: Sequence[str], *, draws: int = 1000, seed: int = 0
) -> Float[Tensor, "draws keys"]:
    """What figures may be of all users there could be; see `motet.metrics.base.Metric.plausible`.

    Args:
        evidence: What is resampled: users, each with all rows.
        keys: Which figures.
        draws: How many samples.
        seed: Of the samples.

    Returns:
        One figure a sample and key, of which `between` makes an interval.

    Raises:
        ConfigError: If there is not one draw.
        DataError: If the evidence is of fewer than 2 users.
    """
    return _drawn(evidence, evidence.plausible, keys, draws, seed)


def _drawn(
    evidence: Evidence, of: Callable[[str, Tensor, int], ByUser], keys: Sequence[str], draws: int, seed: int
) -> Tensor:
    if draws < 1:
        raise ConfigError(f"draws={draws}; an interval needs at least one, and 1,000 for a steady one")
    users, size = _numbered(evidence, keys[0])
    figures = [of(key, users, size) for key in keys]
    return torch.cat([torch.stack([figure(block) for figure in figures], 1) for block in counts(size, draws, seed)])


def _numbered(evidence: Evidence, key: str) -> tuple[Int[Tensor, " rows"], int]:
    """Users from 0."""
    known, users = evidence.users.unique(return_inverse=True)
    if len(known) < 2:
        raise DataError(f"{key!r} was measured on {len(known)} user(s); an interval over users needs at least 2")
    return users, len(known)


def between(figures: Float[Tensor, " draws"], level: float) -> Interval:
    r"""The interval that holds the middle of the figures of all samples.

    $$ [\, q_{(1 - level) / 2}, \; q_{(1 + level) / 2} \,] $$

    Args:
        figures: One a sample; NaN is left out.
        level: The share of the samples inside, and so, of the intervals that hold the figure of all users.

    Returns:
        The interval; NaN where no sample has a figure.

    Raises:
        ConfigError: If the level is not between 0 and 1.

    Source:
        Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13: the percentile interval.
    """
    if not 0 < level < 1:
        raise ConfigError(f"level={level}; it is a share between 0 and 1, such as 0.95")
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = figures.nanquantile(ends).tolist()
    return Interval(low, high)
