"""Embedding of numbers: a linear map of the standardised value, and a learned vector for unknown values."""

from __future__ import annotations

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from motet.layers.embedding import uniform
from motet.layers.precision import Exact


class Standardise(Exact):
    r"""Scales numbers to mean 0 and standard deviation 1 over the fitted values; unknown values become 0.

    $$ z = (x - \mu) / \sigma $$

    Mean and deviation are buffers, so they are saved with the weights. Before `fit`, only NaN changes.

    Example:
        >>> standardise = Standardise()
        >>> standardise.fit(torch.tensor([1.0, 3.0, float("nan")]))
        >>> standardise(torch.tensor([3.0, 5.0, float("nan")]))
        tensor([1., 3., 0.])
    """

    mean: Tensor
    std: Tensor
    final: Tensor
    exact = ("mean",)

    def __init__(self) -> None:
        super().__init__()
        # In single precision the mean of times is off by a minute, which is much in a log of an hour.
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("std", torch.ones(()))
        self.register_buffer("final", torch.tensor(False))

    def fit(self, values: Real[Tensor, " n"], *, final: bool = True) -> None:
        """Compute mean and deviation of the known values.

        Args:
            values: Numbers; NaN where unknown. Without any known value nothing changes; for constant values the
                deviation is set to 1.
            final: Whether to ignore later calls, so that weights trained on one scale keep it.
        """
        known = values[~values.isnan()].double()
        if self.final or len(known) == 0:
            return
        std, mean = torch.std_mean(known, correction=0)
        self.mean.copy_(mean)
        self.std.copy_(std if std > 0 else torch.ones_like(std))
        self.final.fill_(final)

    def forward(self, values: Real[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """Standardise numbers.

        Args:
            values: Numbers; NaN where unknown.

        Returns:
            Standardised numbers, 0 where unknown.
        """
        exact = values if values.is_floating_point() else values.double()  # torch would convert them to float32
        return ((exact - self.mean) / self.std).nan_to_num(nan=0.0).to(self.std.dtype)


class NumberEmbedding(nn.Module):
    r"""Embeds a number: a linear map of its standardised value, or a learned vector if it is unknown.

    $$ e(x) = z w \ \text{ if } x \text{ is known, else } m $$

    Args:
        dim: Width of the vectors.
        init_scale: Largest absolute initial weight, drawn uniformly. With the scale of the other embeddings,
            no feature dominates a sum.

    Example:
        >>> NumberEmbedding(8)(torch.tensor([1995.0, float("nan")])).shape
        torch.Size([2, 8])
    """

    def __init__(self, dim: int, *, init_scale: float = 0.05) -> None:
        super().__init__()
        self.standardise = Standardise()
        self.weight = uniform(2, dim, init_scale=init_scale)

    def fit(self, values: Real[Tensor, " n"], *, final: bool = True) -> None:
        """Compute mean and deviation of the known values.

        Args:
            values: Numbers; NaN where unknown.
            final: Whether to ignore later calls.
        """
        self.standardise.fit(values, final=final)

    def forward(self, values: Real[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """Embed numbers.

        Args:
            values: Numbers; NaN where unknown.

        Returns:
            One vector per number.
        """
        inputs = torch.stack([self.standardise(values), values.isnan().to(self.weight.dtype)], dim=-1)
        return inputs @ self.weight
