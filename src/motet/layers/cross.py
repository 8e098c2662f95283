"""Cross: products of features, one degree more with every layer."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from motet.errors import ConfigError
from motet.layers.mlp import linear


class Cross(nn.Module):
    r"""One layer of the deep and cross network, version 2; stacked, l layers reach products of degree l + 1.

    $$ x_{l+1} = x_0 \odot (W x_l + b) + x_l, \qquad W = U V^\top \text{ of the given rank, or full} $$

    Args:
        dim: Width of the input and of the output.
        rank: Rank of W. None keeps W full; the paper found a quarter of `dim` to lose little.

    Raises:
        ConfigError: If the rank is not between 1 and `dim`.

    Source:
        Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning to Rank
        Systems", WWW 2021, eq. 1 (full) and eq. 2 (low rank).

    Example:
        >>> import torch
        >>> x = torch.ones(5, 16)
        >>> Cross(16, rank=4)(x, x).shape
        torch.Size([5, 16])
    """

    def __init__(self, dim: int, *, rank: int | None = None) -> None:
        super().__init__()
        if rank is not None and not 1 <= rank <= dim:
            raise ConfigError(f"rank {rank} of a cross layer must lie between 1 and its width {dim}; None is full")
        down = nn.Identity() if rank is None else linear(dim, rank, bias=False)
        self.weights = nn.Sequential(down, linear(dim if rank is None else rank, dim))

    def forward(
        self, first: Float[Tensor, "*batch dim"], x: Float[Tensor, "*batch dim"]
    ) -> Float[Tensor, "*batch dim"]:
        """Multiply the first layer's input with a linear map of this layer's input, and add that input.

        Args:
            first: What went into the first cross layer.
            x: What comes out of the layer before; the same as `first` in the first one.

        Returns:
            The input of the next layer.
        """
        crossed: Tensor = first * self.weights(x) + x
        return crossed
