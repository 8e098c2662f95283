"""PLE: experts that all tasks share, and experts of single tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motet.layers.experts import Experts, Gates, mix
from motet.trunks.base import Trunk, check_counts, check_widths
from motet.trunks.mmoe import named_shares


class PLE(Trunk):
    r"""Progressive layered extraction: each task reads the shared experts and its own, never those of another task.

    $$ x_t^{l+1} = \sum_{e \in S \cup E_t} g_t(x_t^l)_e \, f_e(x^l), \qquad
       x_S^{l+1} = \sum_{e \in S \cup E_1 \cup E_2 \dots} g_S(x_S^l)_e \, f_e(x^l) $$

    An expert reads its task's input, or the shared one if all tasks share it. With one layer this is customized gate
    control (CGC). `fit` logs the mean shares of the last layer's gates as `gate/<task>/<expert>`.

    Args:
        shared: The number of experts that all tasks share.
        own: The number of experts of each task.
        layers: The number of extraction layers; the paper's best model has 2.
        hidden: Widths of each expert's layers; the last is the width of the representations.
        product: Whether experts also read the elementwise product of the vectors.
        dropout: The dropout rate of every layer.

    Raises:
        ConfigError: If a count, a width or the dropout rate is out of range.

    Source:
        Tang et al., "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model for Personalized
        Recommendations", RecSys 2020, sections 4.1 and 4.2.

    Example:
        >>> trunk = PLE(shared=1, own=1, hidden=(8,))
        >>> trunk.build(10, ["click", "buy"])
        >>> {task: tuple(read.shape) for task, read in trunk(torch.zeros(5, 10)).items()}
        {'click': (5, 8), 'buy': (5, 8)}
        >>> trunk.utilisation()["buy"]
        {'own1': 0.5, 'shared1': 0.5}
    """

    def __init__(
        self,
        *,
        shared: int = 2,
        own: int = 2,
        layers: int = 1,
        hidden: Sequence[int] = (64,),
        product: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_counts(shared=shared, own=own, layers=layers)
        self.shared = shared
        self.own = own
        self.layers = layers
        self.hidden = check_widths(hidden, dropout)
        self.product = product
        self.dropout = dropout
        self.out_dim = self.hidden[-1]

    def build(self, in_dim: int, tasks: Sequence[str]) -> None:
        """Create the experts and gates of every layer; see `Trunk.build`."""
        self.tasks = tuple(tasks)
        widths = [in_dim, *[self.out_dim] * (self.layers - 1)]
        self.extraction = nn.ModuleList(
            _Layer(self, width, len(tasks), last=depth == self.layers) for depth, width in enumerate(widths, 1)
        )

    def forward(self, pairs: Float[Tensor, "batch in_dim"]) -> dict[str, Float[Tensor, "batch out_dim"]]:
        """Each task's mixture of the last layer; see `Trunk.forward`."""
        own, shared = pairs.expand(len(self.tasks), -1, -1), pairs[None]
        for layer in self.extraction:
            own, shared = layer(own, shared)
        return dict(zip(self.tasks, own, strict=True))

    def utilisation(self) -> Mapping[str, Mapping[str, float]]:
        """By task, the mean share of each expert of the last layer; see `Trunk.utilisation`."""
        counts = (("own", self.own), ("shared", self.shared))
        names = [f"{kind}{number + 1}" for kind, count in counts for number in range(count)]
        last = self.extraction[-1]
        assert isinstance(last, _Layer)
        return named_shares(self.tasks, names, last.gates)


class _Layer(nn.Module):
    """One extraction layer: the experts of each task, the shared experts, and the gates."""

    def __init__(self, trunk: PLE, in_dim: int, tasks: int, *, last: bool) -> None:
        super().__init__()
        self.own = Experts(in_dim, count=trunk.own, groups=tasks, hidden=trunk.hidden, dropout=trunk.dropout)
        self.shared = Experts(in_dim, count=trunk.shared, hidden=trunk.hidden, dropout=trunk.dropout)
        self.gates = Gates(in_dim, experts=trunk.own + trunk.shared, groups=tasks)
        self.shared_gate = None if last else Gates(in_dim, experts=tasks * trunk.own + trunk.shared)

    def forward(self, own: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
        """From the inputs [tasks, batch, in_dim] and [1, batch, in_dim] to those of the next layer."""
        theirs, common = self.own(own), self.shared(shared)
        heard = mix(self.gates(own), torch.cat([theirs, common.expand(len(own), -1, -1, -1)], 1))
        if self.shared_gate is None:
            return heard, shared
        every = torch.cat([theirs.flatten(0, 1)[None], common], 1)
        return heard, mix(self.shared_gate(shared), every)
