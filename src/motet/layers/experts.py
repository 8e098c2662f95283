"""Experts and gates: parallel small networks, and the weights that mix them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from motet.layers.embedding import uniform


class Experts(nn.Module):
    r"""Groups of networks of the same shape, computed together by a few batched matrix products.

    $$ h_{g,e,l+1} = \mathrm{dropout}(\max(0, W_{g,e,l} h_{g,e,l} + b_{g,e,l})) $$

    Args:
        in_dim: Width of the input.
        count: Experts per group.
        groups: Number of groups; each has its own input.
        hidden: Widths of the layers; the last is the output width.
        dropout: Share of every layer's values set to 0 during training.

    Example:
        >>> Experts(16, count=4, hidden=(32, 8))(torch.zeros(1, 5, 16)).shape
        torch.Size([1, 4, 5, 8])
    """

    def __init__(
        self, in_dim: int, *, count: int, groups: int = 1, hidden: Sequence[int] = (64,), dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths = list(zip([in_dim, *hidden], hidden, strict=False))
        self.weights = nn.ParameterList(glorot(groups, count, width, after) for width, after in widths)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(groups, count, 1, after)) for _, after in widths)
        self.dropout = dropout

    def forward(self, x: Float[Tensor, "groups batch in_dim"]) -> Float[Tensor, "groups count batch out_dim"]:
        """Run every expert.

        Args:
            x: The input of each group; its experts share it.

        Returns:
            One vector per row and expert.
        """
        x = x[:, None]
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = F.dropout(torch.relu(x @ weight + bias), self.dropout, self.training)
        return x


class Gates(nn.Module):
    r"""Weights of experts for each row: a softmax of a linear map.

    $$ g(x) = \mathrm{softmax}(W x) $$

    In training mode they accumulate their mean weights; see `means`.

    Args:
        in_dim: Width of the input.
        experts: Number of experts.
        groups: Number of parallel gates.

    Source:
        Shazeer et al., "Outrageously Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer", ICLR 2017,
        eq. 2.

    Example:
        >>> Gates(16, experts=4, groups=2)(torch.randn(1, 5, 16)).sum(-1).shape
        torch.Size([2, 5])
    """

    _given: Tensor | None
    _rows: int

    def __init__(self, in_dim: int, *, experts: int, groups: int = 1) -> None:
        super().__init__()
        self.weight = glorot(groups, in_dim, experts)
        self.forget()

    def forward(self, x: Float[Tensor, "inputs batch in_dim"]) -> Float[Tensor, "groups batch experts"]:
        """Compute the weights of each row.

        Args:
            x: The input of each gate, or one input for all gates.

        Returns:
            Numbers between 0 and 1 that sum to 1 over the experts.
        """
        shares = torch.softmax(x @ self.weight, -1)
        if self.training:
            given = shares.detach().sum(1, dtype=torch.float64)
            self._given = given if self._given is None else self._given + given
            self._rows += shares.shape[1]
        return shares

    def means(self) -> Float[Tensor, "groups experts"] | None:
        """The mean weight of each expert over the training rows since `forget`; None if there are none."""
        return None if self._given is None else self._given / self._rows

    def forget(self) -> None:
        """Reset the mean weights."""
        self._given, self._rows = None, 0


def mix(
    shares: Float[Tensor, "groups batch experts"], experts: Float[Tensor, "inputs experts batch dim"]
) -> Float[Tensor, "groups batch dim"]:
    r"""Mix the outputs of experts, $\sum_e g_e(x) f_e(x)$.

    Args:
        shares: The output of `Gates`.
        experts: The output of `Experts`: a group per gate, or one group for all gates.

    Returns:
        One vector per row and gate.
    """
    return torch.einsum("gbe,gebd->gbd", shares, experts)


def glorot(*shape: int) -> nn.Parameter:
    """Glorot-uniform matrices in the last two dimensions, initialised as in `linear`.

    Args:
        *shape: Shape of the stack of matrices, input width before output width.

    Returns:
        The parameter.
    """
    return uniform(*shape, init_scale=math.sqrt(6 / (shape[-2] + shape[-1])))
