"""MMoE: experts that all tasks share, and a gate for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from motet.layers.experts import Experts, Gates, mix
from motet.trunks.base import Trunk, check_counts, check_widths


class MMoE(Trunk):
    r"""A mixture of experts, mixed for each task by a gate of its own.

    $$ h_t(x) = \sum_e g_t(x)_e \, f_e(x), \qquad g_t(x) = \mathrm{softmax}(W_t x) $$

    Tasks that agree can use the same experts, and tasks that conflict different ones. `fit` logs each expert's mean
    share as `gate/<task>/<expert>`; look out for gates that use a single expert, or all of them alike.

    Args:
        experts: How many.
        hidden: Widths of each expert's layers; the last is what heads read.
        product: Whether they also read the elementwise product of the vectors.
        dropout: Share of every layer's values set to 0 in training.

    Raises:
        ConfigError: If a number, a width or the share is out of range.

    Source:
        Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD 2018,
        section 4.2.

    Example:
        >>> import torch
        >>> trunk = MMoE(4, hidden=(8,))
        >>> trunk.build(10, ["click", "buy"])
        >>> {task: tuple(read.shape) for task, read in trunk(torch.zeros(5, 10)).items()}
        {'click': (5, 8), 'buy': (5, 8)}
        >>> trunk.utilisation()["buy"]
        {'1': 0.25, '2': 0.25, '3': 0.25, '4': 0.25}
    """

    def __init__(
        self, experts: int = 4, *, hidden: Sequence[int] = (64,), product: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_counts(experts=experts)
        self.experts = experts
        self.hidden = check_widths(hidden, dropout)
        self.product = product
        self.dropout = dropout
        self.out_dim = self.hidden[-1]

    def build(self, in_dim: int, tasks: Sequence[str]) -> None:
        """Make the experts, and a gate for each task; see `Trunk.build`."""
        self.tasks = tuple(tasks)
        self.mixture = Experts(in_dim, count=self.experts, hidden=self.hidden, dropout=self.dropout)
        self.gates = Gates(in_dim, experts=self.experts, groups=len(tasks))

    def forward(self, pairs: Float[Tensor, "batch in_dim"]) -> dict[str, Float[Tensor, "batch out_dim"]]:
        """Each task's mixture; see `Trunk.forward`."""
        x = pairs[None]
        return dict(zip(self.tasks, mix(self.gates(x), self.mixture(x)), strict=True))

    def utilisation(self) -> Mapping[str, Mapping[str, float]]:
        """By task, the mean share of each expert, counted from 1; see `Trunk.utilisation`."""
        return named_shares(self.tasks, [str(number + 1) for number in range(self.experts)], self.gates)


def named_shares(tasks: Sequence[str], experts: Sequence[str], gates: Gates) -> dict[str, dict[str, float]]:
    """The mean shares of gates, by task and expert.

    Args:
        tasks: Whose gates they are.
        experts: Their names.
        gates: One for each task.

    Returns:
        Numbers that sum to 1 for each task; nothing where no row was seen.
    """
    means = gates.means()
    if means is None:
        return {}
    return {task: dict(zip(experts, shares, strict=True)) for task, shares in zip(tasks, means.tolist(), strict=True)}
