"""Numbers as vectors: standardised, then a direction, and another direction for what is not known."""

from __future__ import annotations

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn


class Standardise(nn.Module):
    r"""Numbers with mean 0 and standard deviation 1 over the values it was fitted to; unknown values become 0.

    $$ z = (x - \mu) / \sigma $$

    The mean and the deviation are buffers: they are saved with the weights. Before `fit` nothing changes but NaN.

    Example:
        >>> standardise = Standardise()
        >>> standardise.fit(torch.tensor([1.0, 3.0, float("nan")]))
        >>> standardise(torch.tensor([3.0, 5.0, float("nan")]))
        tensor([1., 3., 0.])
    """

    mean: Tensor
    std: Tensor
    final: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))
        self.register_buffer("final", torch.tensor(False))

    def fit(self, values: Real[Tensor, " n"], *, final: bool = True) -> None:
        """Measure the known values.

        Args:
            values: Numbers; NaN where not known. With none known nothing changes; without a spread the deviation is 1.
            final: Whether later calls change nothing, so that weights trained on one scale keep it.
        """
        known = values[~values.isnan()].double()
        if self.final or len(known) == 0:
            return
        std, mean = torch.std_mean(known, correction=0)
        self.mean.copy_(mean)
        self.std.copy_(std if std > 0 else torch.ones_like(std))
        self.final.fill_(final)

    def forward(self, values: Real[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Shift and scale.

        Args:
            values: Numbers; NaN where not known.

        Returns:
            Standardised numbers, 0 where not known.
        """
        return ((values - self.mean) / self.std).nan_to_num(nan=0.0).to(self.mean.dtype)


class NumberEmbedding(nn.Module):
    r"""A number as a vector: a linear map of its standardised value, or a learned vector where it is not known.

    $$ e(x) = z w \ \text{ if } x \text{ is known, else } m $$

    Args:
        dim: Width of the vectors.
        init_scale: Largest absolute weight at the start, drawn uniformly. With the scale of the embeddings beside it,
            no feature drowns another in a sum.

    Example:
        >>> NumberEmbedding(8)(torch.tensor([1995.0, float("nan")])).shape
        torch.Size([2, 8])
    """

    def __init__(self, dim: int, *, init_scale: float = 0.05) -> None:
        super().__init__()
        self.standardise = Standardise()
        self.weight = nn.Parameter(torch.empty(2, dim).uniform_(-init_scale, init_scale))

    def fit(self, values: Real[Tensor, " n"], *, final: bool = True) -> None:
        """Measure the mean and the spread of the known values.

        Args:
            values: Numbers; NaN where not known.
            final: Whether later calls change nothing.
        """
        self.standardise.fit(values, final=final)

    def forward(self, values: Real[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """Map the numbers.

        Args:
            values: Numbers; NaN where not known.

        Returns:
            One vector a number.
        """
        inputs = torch.stack([self.standardise(values), values.isnan().to(self.weight.dtype)], dim=-1)
        return inputs @ self.weight
