"""MMoE: experts that all tasks share, and one gate per task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from motet.layers.experts import Experts, Gates, mix
from motet.trunks.base import Trunk, check_counts, check_widths


class MMoE(Trunk):
    r"""Multi-gate mixture of experts: all tasks share the experts, and each task has its own gate.

    $$ h_t(x) = \sum_e g_t(x)_e \, f_e(x), \qquad g_t(x) = \mathrm{softmax}(W_t x) $$

    Tasks that agree can use the same experts, tasks that conflict different ones. `fit` logs each expert's mean share
    as `gate/<task>/<expert>`; watch for gates that use a single expert, or all experts equally.

    Args:
        experts: The number of experts.
        hidden: Widths of each expert's layers; the last is the width of the representations.
        product: Whether experts also read the elementwise product of the vectors.
        dropout: The dropout rate of every layer.

    Raises:
        ConfigError: If a count, a width or the dropout rate is out of range.

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
        """Create the experts, and a gate per task; see `Trunk.build`."""
        self.tasks = tuple(tasks)
        self.mixture = Experts(in_dim, count=self.experts, hidden=self.hidden, dropout=self.dropout)
        self.gates = Gates(in_dim, experts=self.experts, groups=len(tasks))

    def forward(self, pairs: Float[Tensor, "batch in_dim"]) -> dict[str, Float[Tensor, "batch out_dim"]]:
        """Each task's mixture; see `Trunk.forward`."""
        x = pairs[None]
        return dict(zip(self.tasks, mix(self.gates(x), self.mixture(x)), strict=True))

    def utilisation(self) -> Mapping[str, Mapping[str, float]]:
        """By task, the mean share of each expert, numbered from 1; see `Trunk.utilisation`."""
        return named_shares(self.tasks, [str(number + 1) for number in range(self.experts)], self.gates)


def named_shares(tasks: Sequence[str], experts: Sequence[str], gates: Gates) -> dict[str, dict[str, float]]:
    """The mean shares of the experts in each gate, by task and expert.

    Args:
        tasks: Names of the tasks.
        experts: Names of the experts.
        gates: One gate per task.

    Returns:
        Shares that sum to 1 for each task; empty if the gates have seen no row.
    """
    means = gates.means()
    if means is None:
        return {}
    return {task: dict(zip(experts, shares, strict=True)) for task, shares in zip(tasks, means.tolist(), strict=True)}
