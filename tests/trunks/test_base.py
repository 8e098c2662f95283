"""A trunk between the pair of vectors and the heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl
import pytest
import torch
from torch import Tensor, nn

from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError
from motet.model import Model
from motet.tasks import Rating, Retrieval
from motet.testing import check_trunk
from motet.towers import FeatureTower
from motet.trunks import MMoE, Trunk


class Shared(Trunk):
    """One layer for all."""

    product = True

    def __init__(self, out_dim: int = 5) -> None:
        super().__init__()
        self.out_dim = out_dim

    def build(self, in_dim: int, tasks: Sequence[str]) -> None:
        self.layer = nn.Linear(in_dim, self.out_dim)
        self.tasks = list(tasks)

    def forward(self, pairs: Tensor) -> dict[str, Tensor]:
        return {name: self.layer(pairs) for name in self.tasks}


def test_heads_read_the_trunk_and_retrieval_does_not() -> None:
    events = {"user_id": [1, 1, 2], "item_id": [5, 6, 5], "stars": [3.0, 4.0, 1.0], "mood": [1.0, None, 0.0]}
    log = EventLog.read(pl.DataFrame(events), Schema(signals=("stars", "mood")))
    trunk = Shared()
    heads = [Rating("stars", hidden=()), Rating("mood", hidden=())]
    model = Model(
        user=FeatureTower(log.users, dim=4),
        item=FeatureTower(log.items, dim=4),
        tasks=[*heads, Retrieval()],
        trunk=trunk,
    )
    model.prepare(log)
    assert trunk.layer.in_features == 12
    assert trunk.tasks == ["stars", "mood"]
    assert all(head.head.layers[0].in_features == 5 for head in heads)
    losses = model.losses(log.batch())
    gradients = {
        name: torch.autograd.grad(loss, trunk.layer.weight, retain_graph=True, allow_unused=True)[0]
        for name, loss in losses.items()
    }
    assert gradients["stars"] is not None
    assert gradients["mood"] is not None
    assert gradients["retrieval"] is None
    assert [vector.shape for vector in losses.shared] == [(2, 4), (2, 4)]
    scores = model.score(log.batch())
    torch.testing.assert_close(losses["stars"], (scores["stars"] - log.columns["stars"]).square().mean())


def test_a_trunk_that_no_task_reads() -> None:
    log = EventLog.read(pl.DataFrame({"user_id": [1, 1], "item_id": [5, 6]}), Schema())
    towers = {"user": FeatureTower(log.users, dim=4), "item": FeatureTower(log.items, dim=4)}
    with pytest.raises(ConfigError, match="no task reads the trunk; add a task with a head, such as Rating"):
        Model(**towers, tasks=[Retrieval()], trunk=Shared())


def test_contract() -> None:
    check_trunk(Shared)


class Half(Shared):
    """Forgets a task."""

    def forward(self, pairs: Tensor) -> dict[str, Tensor]:
        return {"one": self.layer(pairs)}


class Narrow(Shared):
    """Says another width."""

    def build(self, in_dim: int, tasks: Sequence[str]) -> None:
        super().build(in_dim, tasks)
        self.out_dim = 4


class Social(Shared):
    """Rows hear each other."""

    def forward(self, pairs: Tensor) -> dict[str, Tensor]:
        return super().forward(pairs.cumsum(0))


class Idle(Shared):
    """Has more than it uses."""

    def build(self, in_dim: int, tasks: Sequence[str]) -> None:
        super().build(in_dim, tasks)
        self.spare = nn.Linear(2, 2)


class Secretive(Shared):
    """Keeps a number to itself."""

    def build(self, in_dim: int, tasks: Sequence[str]) -> None:
        super().build(in_dim, tasks)
        self.secret = torch.randn(5)

    def forward(self, pairs: Tensor) -> dict[str, Tensor]:
        return {name: vectors + self.secret for name, vectors in super().forward(pairs).items()}


class Boastful(MMoE):
    """Counts more than there is."""

    def utilisation(self) -> dict[str, dict[str, float]]:
        return {task: {"1": 2.0} for task in super().utilisation()}


class Mindful(MMoE):
    """Forgets nothing."""

    def epoch_began(self) -> None: ...

    def utilisation(self) -> dict[str, dict[str, float]]:
        return {"one": {"1": 1.0}}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (Half, r"the heads of \('one', 'other'\) read \('one',\)"),
        (Narrow, r"9 rows gave \(9, 5\); with this out_dim the shape is \(9, 4\)"),
        (Social, "a different order of rows changes the result"),
        (Secretive, "a trunk with the same config and weights gives different results"),
        (Mindful, "shares are counted outside training, or `epoch_began` does not clear them"),
        (Boastful, "the shares of 'one' sum to"),
        (Idle, "no gradient reaches spare.weight"),
    ],
)
def test_contract_catches(build: Callable[[], Trunk], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_trunk(build)
