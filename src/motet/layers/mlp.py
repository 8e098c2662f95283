"""MLP: fully connected layers with ReLU between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn


def linear(in_dim: int, out_dim: int, *, bias: bool = True) -> nn.Linear:
    """A linear map that starts as a Keras `Dense` does: Glorot-uniform weights, zero biases.

    Args:
        in_dim: Width of the input.
        out_dim: Width of the output.
        bias: Whether to add a learned constant.

    Returns:
        The layer.

    Source:
        Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
        AISTATS 2010, eq. 16.
    """
    layer = nn.Linear(in_dim, out_dim, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class MLP(nn.Module):
    r"""Hidden layers with ReLU, then a linear output.

    $$ h_{l+1} = \mathrm{dropout}(\max(0, W_l h_l + b_l)), \qquad y = W_L h_L + b_L $$

    Args:
        in_dim: Width of the input.
        hidden: Widths of the hidden layers, from the input on; may be empty.
        out_dim: Width of the linear output. None ends with the last hidden layer and its ReLU.
        dropout: Share of every hidden layer's values set to 0 in training.

    Example:
        >>> import torch
        >>> MLP(64, hidden=(256, 128), out_dim=1)(torch.zeros(5, 64)).shape
        torch.Size([5, 1])
    """

    def __init__(
        self, in_dim: int, *, hidden: Sequence[int] = (), out_dim: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths = [in_dim, *hidden]
        layers: list[nn.Module] = []
        for width, after in pairwise(widths):
            layers += [linear(width, after), nn.ReLU(inplace=True)]
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
        if out_dim is not None:
            layers.append(linear(widths[-1], out_dim))
        self.out_dim = widths[-1] if out_dim is None else out_dim
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "*batch in_dim"]) -> Float[Tensor, "*batch out_dim"]:
        """Apply every layer.

        Args:
            x: The input; any leading dimensions.

        Returns:
            The output, with the same leading dimensions.
        """
        out: Tensor = self.layers(x)
        return out
