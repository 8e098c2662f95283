"""Moments as vectors: how long ago, and where in the day, the week and the year."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from motet.layers.numbers import Standardise

# Whole numbers, so that the remainder of whole seconds is exact; a year is 365.2425 days.
DAY_S, WEEK_S, YEAR_S = 86_400, 604_800, 31_556_952
PERIODS_S = (DAY_S, WEEK_S, YEAR_S)


class TimestampEmbedding(nn.Module):
    r"""A moment as a vector: a linear map of its standardised age and of its phase in the day, the week and the year.

    $$ e(t) = W [z, \sin \phi_p, \cos \phi_p]_{p = \text{day, week, year}}, \qquad \phi_p = 2 \pi (t \bmod p) / p $$

    A moment that is not known has a learned vector of its own.

    Args:
        dim: Width of the vectors.
        init_scale: Largest absolute weight at the start, drawn uniformly.

    Example:
        >>> TimestampEmbedding(8)(torch.tensor([0, 874_965_758])).shape
        torch.Size([2, 8])
    """

    def __init__(self, dim: int, *, init_scale: float = 0.05) -> None:
        super().__init__()
        self.standardise = Standardise()
        self.weight = nn.Parameter(torch.empty(2 + 2 * len(PERIODS_S), dim).uniform_(-init_scale, init_scale))

    def fit(self, values: Real[Tensor, " n"], *, final: bool = True) -> None:
        """Measure the mean and the spread of the known moments.

        Args:
            values: Seconds since 1970 in UTC; NaN where not known.
            final: Whether later calls change nothing.
        """
        self.standardise.fit(values, final=final)

    def forward(self, values: Real[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """Map the moments.

        Args:
            values: Seconds since 1970 in UTC; NaN where not known.

        Returns:
            One vector a moment.
        """
        missing = values.isnan()
        # The remainder is taken of the seconds as they came: rounded to float32 first, they would be off by a minute.
        turns = torch.stack([(values % period).float() / period for period in PERIODS_S], dim=-1)
        angles = 2 * math.pi * turns
        cycles = torch.cat([angles.sin(), angles.cos()], dim=-1).masked_fill(missing[:, None], 0.0)
        age = self.standardise(values)[:, None]
        return torch.cat([age, cycles, missing[:, None]], dim=-1).to(self.weight.dtype) @ self.weight
