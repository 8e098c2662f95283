"""Combine: merges several vectors of equal width into one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motet.errors import ConfigError
from motet.layers.cross import Cross
from motet.layers.dropout import check_dropout
from motet.layers.mlp import MLP


class Combine(nn.Module):
    """The sum of the parts or, with hidden or cross layers, a network over the concatenated parts.

    Without either, `y = dropout(sum of parts)`. Otherwise `y = W MLP(cross(concatenated parts)) + b`.

    Args:
        parts: Number of input vectors.
        dim: Width of each input vector and of the output.
        hidden: Widths of the hidden layers of the MLP.
        cross_layers: Number of cross layers before the MLP.
        dropout: Share of values set to 0 during training: after every hidden layer, or of the output if there are none.

    Raises:
        ConfigError: If there are no parts, a width is below 1, `cross_layers` is negative, or `dropout` is not in
            [0, 1).

    Example:
        >>> user, age = torch.ones(5, 8), torch.ones(5, 8)
        >>> Combine(2, 8)([user, age])[0, 0].item()
        2.0
        >>> Combine(2, 8, hidden=(16,), cross_layers=1)([user, age]).shape
        torch.Size([5, 8])
    """

    def __init__(
        self, parts: int, dim: int, *, hidden: Sequence[int] = (), cross_layers: int = 0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        _check(parts, [dim, *hidden], cross_layers, dropout)
        self.crosses = nn.ModuleList(Cross(parts * dim) for _ in range(cross_layers))
        self.dropout = nn.Dropout(dropout) if dropout > 0 and not hidden else nn.Identity()
        deep = bool(hidden) or cross_layers > 0
        self.mlp = MLP(parts * dim, hidden=hidden, out_dim=dim, dropout=dropout) if deep else None

    def forward(self, parts: Sequence[Float[Tensor, "batch dim"]]) -> Float[Tensor, "batch dim"]:
        """Combine the parts of each row.

        Args:
            parts: One tensor per part.

        Returns:
            One vector per row.
        """
        if self.mlp is None:
            out: Tensor = self.dropout(reduce(add, parts))
            return out
        first = x = torch.cat(list(parts), dim=-1)
        for cross in self.crosses:
            x = cross(first, x)
        deep: Tensor = self.dropout(self.mlp(x))
        return deep


def _check(parts: int, widths: Sequence[int], cross_layers: int, dropout: float) -> None:
    if parts < 1:
        raise ConfigError("there is nothing to combine: name at least one feature, or keep the ids")
    narrow = next((width for width in widths if width < 1), None)
    if narrow is not None:
        raise ConfigError(f"a layer of width {narrow}: `dim` and every width in `hidden` must be at least 1")
    if cross_layers < 0:
        raise ConfigError(f"cross_layers={cross_layers}: the number of layers must be 0 or more")
    check_dropout(dropout)
