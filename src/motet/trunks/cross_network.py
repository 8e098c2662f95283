"""CrossNetwork: cross layers over both vectors, then hidden layers."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from motet.layers.cross import Cross
from motet.layers.mlp import MLP
from motet.trunks.base import Trunk, check_counts, check_widths


class CrossNetwork(Trunk):
    r"""The deep and cross network (DCN-v2), stacked: cross layers over the pair, then hidden layers.

    $$ x_{l+1} = x_0 \odot (W_l x_l + b_l) + x_l, \qquad h = \mathrm{MLP}(x_L) $$

    Over two `FieldTower`s it crosses every feature of the user with every feature of the item.

    Args:
        layers: The number of cross layers; l layers give products of up to l + 1 features.
        rank: Rank of the cross layers' matrices; full rank by default.
        hidden: Widths of the hidden layers after them; the last is the width of the representations.
        dropout: The dropout rate of every hidden layer.

    Raises:
        ConfigError: If a count, a width or the dropout rate is out of range.

    Source:
        Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning to Rank
        Systems", WWW 2021, section 3.

    Example:
        >>> import torch
        >>> trunk = CrossNetwork(2, rank=3, hidden=(8,))
        >>> trunk.build(10, ["click"])
        >>> trunk(torch.zeros(5, 10))["click"].shape
        torch.Size([5, 8])
    """

    def __init__(
        self, layers: int = 2, *, rank: int | None = None, hidden: Sequence[int] = (128, 64), dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_counts(layers=layers)
        self.layers = layers
        self.rank = rank
        self.hidden = check_widths(hidden, dropout)
        self.dropout = dropout
        self.out_dim = self.hidden[-1]

    def build(self, in_dim: int, tasks: Sequence[str]) -> None:
        """Create the layers; see `Trunk.build`."""
        self.tasks = tuple(tasks)
        self.crosses = nn.ModuleList(Cross(in_dim, rank=self.rank) for _ in range(self.layers))
        self.mlp = MLP(in_dim, hidden=self.hidden, dropout=self.dropout)

    def forward(self, pairs: Float[Tensor, "batch in_dim"]) -> dict[str, Float[Tensor, "batch out_dim"]]:
        """The same representation for every task; see `Trunk.forward`."""
        x = pairs
        for cross in self.crosses:
            x = cross(pairs, x)
        return dict.fromkeys(self.tasks, self.mlp(x))
