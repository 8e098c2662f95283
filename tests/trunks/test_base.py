"""A trunk between the pair of vectors and the heads."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import torch
from torch import Tensor, nn

from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.model import Model
from motet.tasks import Rating, Retrieval
from motet.towers import FeatureTower
from motet.trunks import Trunk


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
    assert [vector.shape for vector in losses.shared] == [(3, 4), (3, 4)]
    scores = model.score(log.batch())
    torch.testing.assert_close(losses["stars"], (scores["stars"] - log.columns["stars"]).square().mean())
