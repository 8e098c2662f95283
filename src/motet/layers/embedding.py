"""Embedding tables: a vector per code, or the mean over a bag of codes."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from motet.errors import ConfigError


def uniform(*shape: int, init_scale: float) -> nn.Parameter:
    """A parameter whose values are drawn uniformly from [-init_scale, init_scale].

    Args:
        *shape: Its shape.
        init_scale: Largest absolute initial value.

    Returns:
        The parameter.

    Raises:
        ConfigError: If a dimension is below 1, or the scale is negative or not finite.
    """
    if min(shape) < 1:
        raise ConfigError(f"weights of shape {shape}; every width, such as `dim`, must be at least 1")
    if not 0 <= init_scale < math.inf:
        raise ConfigError(f"init_scale={init_scale}; the largest initial weight must be 0 or more, and finite")
    return nn.Parameter(torch.empty(shape).uniform_(-init_scale, init_scale))


class Embedding(nn.Module):
    """A table of vectors, drawn from uniform(-init_scale, init_scale).

    Args:
        rows: Number of codes.
        dim: Width of the vectors.
        init_scale: Largest absolute initial value; .05 is the default of Keras.
        sparse: Whether the gradient holds only the rows that were used. Needs an optimizer for sparse gradients; pays
            off if the table is much larger than a batch.

    Example:
        >>> Embedding(100, 8)(torch.tensor([1, 5, 1])).shape
        torch.Size([3, 8])
    """

    def __init__(self, rows: int, dim: int, *, init_scale: float = 0.05, sparse: bool = False) -> None:
        super().__init__()
        self.sparse = sparse
        self.weight = uniform(rows, dim, init_scale=init_scale)

    def forward(self, codes: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch dim"]:
        """Look up vectors.

        Args:
            codes: Rows of the table, in any shape.

        Returns:
            One vector per code.
        """
        return F.embedding(codes, self.weight, sparse=self.sparse)


class BagEmbedding(nn.Module):
    r"""The mean of the vectors of a bag of codes; 0 for an empty bag.

    $$ e(b) = \frac{1}{|b|} \sum_{c \in b} W_c $$

    Args:
        rows: Number of codes.
        dim: Width of the vectors.
        init_scale: Largest absolute initial value, drawn uniformly; .05 is the default of Keras.
        sparse: Whether the gradient holds only the rows that were used.

    Example:
        >>> bags = BagEmbedding(100, 8)(torch.tensor([1, 5, 1]), torch.tensor([0, 2, 2]))
        >>> bags.shape, bags[1].abs().sum().item()
        (torch.Size([3, 8]), 0.0)
    """

    def __init__(self, rows: int, dim: int, *, init_scale: float = 0.05, sparse: bool = False) -> None:
        super().__init__()
        self.sparse = sparse
        self.weight = uniform(rows, dim, init_scale=init_scale)

    def forward(self, codes: Int[Tensor, " values"], starts: Int[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """Average the vectors of each bag.

        Args:
            codes: The codes of all bags, bag by bag.
            starts: Where each bag begins in `codes`.

        Returns:
            One vector per bag.
        """
        return F.embedding_bag(codes, self.weight, starts, mode="mean", sparse=self.sparse)
