"""Cross: products of features, whose degree grows with every layer."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from motet.errors import ConfigError
from motet.layers.mlp import linear


class Cross(nn.Module):
    r"""A cross layer of DCN-V2; l stacked layers express products up to degree l + 1.

    $$ x_{l+1} = x_0 \odot (W x_l + b) + x_l, \qquad W = U V^\top \text{ of the given rank, or full} $$

    Args:
        dim: Width of the input and the output.
        rank: Rank of W; None for a full matrix. In the paper, a quarter of `dim` loses little.

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
            raise ConfigError(
                f"rank {rank} of a cross layer must lie between 1 and its width {dim}; None for full rank"
            )
        down = nn.Identity() if rank is None else linear(dim, rank, bias=False)
        self.weights = nn.Sequential(down, linear(dim if rank is None else rank, dim))

    def forward(
        self, first: Float[Tensor, "*batch dim"], x: Float[Tensor, "*batch dim"]
    ) -> Float[Tensor, "*batch dim"]:
        """Multiply the first layer's input by a linear map of this layer's input, and add this layer's input.

        Args:
            first: The input of the first cross layer.
            x: The output of the previous layer; `first` for the first layer.

        Returns:
            The input of the next layer.
        """
        crossed: Tensor = first * self.weights(x) + x
        return crossed
