from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pytest
import torch
from torch import Tensor

from motet import FeatureTower, Model, split
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.schema import Numeric, Schema
from motet.metrics import NDCG, FactorizedTopK, Metric, Recall
from motet.tasks import Rows
from motet.tasks.base import CorpusTask, Task
from motet.towers.base import Tower

USERS, ITEMS = 12, 30


class Dot(CorpusTask):
    """A dot product; only rows with a click are positives."""

    def __init__(self, name: str = "clicks", needs: tuple[str, ...] = (), where: Rows | None = None) -> None:
        super().__init__(name, needs=needs, where=where)

    def build(self, user: Tower, item: Tower) -> None: ...

    def loss(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:
        return -self.score(user, item, batch)

    def score(self, user: Tensor, item: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        return (user * item).sum(-1)

    def queries(self, user: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        return user

    def candidates(self, item: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        return item

    def metrics(self) -> Mapping[str, Metric]:
        return {"hit_rate": FactorizedTopK(ks=(1, 5)), "recall@5": Recall(5), "ndcg": NDCG()}


@pytest.fixture
def log() -> EventLog:
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randint(size, (400,), generator=generator).tolist() for size in (USERS, ITEMS))
    ratings = torch.randint(1, 6, (400,), generator=generator).tolist()
    frame = pl.DataFrame({"user_id": users, "item_id": items, "rating": ratings, "weight": [1.0, 2.0] * 200})
    frame = frame.with_columns(click=pl.Series([1.0, None] * 200), hour=pl.Series([0.0, 5.0] * 200))
    context = {"hour": Numeric()}
    return EventLog.read(frame, Schema(signals=("rating", "weight", "click"), context_features=context))


@pytest.fixture
def parts(log: EventLog) -> split.Split:
    return split.random(log, test=100, seed=1)


def build(log: EventLog, *tasks: Task) -> Model:
    torch.manual_seed(0)
    return Model(user=FeatureTower(log.users, dim=4), item=FeatureTower(log.items, dim=4), tasks=tasks)
