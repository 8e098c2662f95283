"""SharedBottom: one network that all heads read."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from motet.layers.mlp import MLP
from motet.trunks.base import Trunk, check_widths


class SharedBottom(Trunk):
    r"""Hidden layers over the pair, the same for every task.

    $$ h_t(u, v) = \mathrm{MLP}([u; v]) $$

    Use it for tasks that agree; `MMoE` and `PLE` let tasks use different representations.

    Args:
        hidden: Widths of the layers; the last is the width of the representation.
        product: Whether the layers also read the elementwise product of the vectors.
        dropout: The dropout rate of every layer.

    Raises:
        ConfigError: If a width or the dropout rate is out of range.

    Source:
        Caruana, "Multitask Learning", Machine Learning 1997.

    Example:
        >>> import torch
        >>> trunk = SharedBottom((16, 8))
        >>> trunk.build(10, ["click", "buy"])
        >>> {task: tuple(read.shape) for task, read in trunk(torch.zeros(5, 10)).items()}
        {'click': (5, 8), 'buy': (5, 8)}
    """

    def __init__(self, hidden: Sequence[int] = (128, 64), *, product: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = check_widths(hidden, dropout)
        self.product = product
        self.dropout = dropout
        self.out_dim = self.hidden[-1]

    def build(self, in_dim: int, tasks: Sequence[str]) -> None:
        """Create the layers; see `Trunk.build`."""
        self.tasks = tuple(tasks)
        self.mlp = MLP(in_dim, hidden=self.hidden, dropout=self.dropout)

    def forward(self, pairs: Float[Tensor, "batch in_dim"]) -> dict[str, Float[Tensor, "batch out_dim"]]:
        """The same representation for every task; see `Trunk.forward`."""
        return dict.fromkeys(self.tasks, self.mlp(pairs))
