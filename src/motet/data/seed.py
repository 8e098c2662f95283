"""Seed: where random choices start."""

from __future__ import annotations

from numbers import Integral

import torch

from motet.errors import ConfigError


def check_seed(seed: object) -> None:
    """Refuse a seed that no generator takes.

    Args:
        seed: Of any random choice.

    Raises:
        ConfigError: If it is not a whole number of at most 64 bits.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not -(2**63) <= int(seed) < 2**64:
        raise ConfigError(f"seed={seed!r}; a seed is a whole number of at most 64 bits, such as 7")


def seeded(seed: int) -> torch.Generator:
    """A generator of random numbers.

    Args:
        seed: The same seed gives the same numbers.

    Returns:
        On the CPU, in its first state.

    Raises:
        ConfigError: If the seed is not a whole number of at most 64 bits.

    Example:
        >>> torch.randperm(5, generator=seeded(7)).equal(torch.randperm(5, generator=seeded(7)))
        True
    """
    check_seed(seed)
    return torch.Generator().manual_seed(int(seed))
