"""Embedding of times: their age, and their phase in the day, the week and the year."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from motet.layers.embedding import uniform
from motet.layers.numbers import Standardise

# Integers, so that the remainder of whole seconds is exact; a year is 365.2425 days.
DAY_S, WEEK_S, YEAR_S = 86_400, 604_800, 31_556_952
PERIODS_S = (DAY_S, WEEK_S, YEAR_S)


class TimestampEmbedding(nn.Module):
    r"""Embeds a time: a linear map of its standardised age and of its phase in the day, the week and the year.

    $$ e(t) = W [z, \sin \phi_p, \cos \phi_p]_{p = \text{day, week, year}}, \qquad \phi_p = 2 \pi (t \bmod p) / p $$

    Unknown times have a learned vector.

    Args:
        dim: Width of the vectors.
        init_scale: Largest absolute initial weight, drawn uniformly.

    Example:
        >>> TimestampEmbedding(8)(torch.tensor([0, 874_965_758])).shape
        torch.Size([2, 8])
    """

    def __init__(self, dim: int, *, init_scale: float = 0.05) -> None:
        super().__init__()
        self.standardise = Standardise()
        self.weight = uniform(2 + 2 * len(PERIODS_S), dim, init_scale=init_scale)

    def fit(self, values: Real[Tensor, " n"], *, final: bool = True) -> None:
        """Compute mean and deviation of the known times.

        Args:
            values: Seconds since 1970 in UTC; NaN where unknown.
            final: Whether to ignore later calls.
        """
        self.standardise.fit(values, final=final)

    def forward(self, values: Real[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """Embed times.

        Args:
            values: Seconds since 1970 in UTC; NaN where unknown.

        Returns:
            One vector per time.
        """
        missing = values.isnan()
        # The remainder is computed before the conversion to float32, which would round times by up to a minute.
        turns = torch.stack([(values % period).float() / period for period in PERIODS_S], dim=-1)
        angles = 2 * math.pi * turns
        cycles = torch.cat([angles.sin(), angles.cos()], dim=-1).masked_fill(missing[:, None], 0.0)
        age = self.standardise(values)[:, None]
        return torch.cat([age, cycles, missing[:, None]], dim=-1).to(self.weight.dtype) @ self.weight
