"""What every tower answers, and what the contract test catches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from motet.data.batch import Batch
from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.testing import check_tower
from motet.towers import Tower


class Table(Tower):
    """The smallest tower, with a fault to order."""

    def __init__(self, entities: Entities, fault: Callable[[Tensor, Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.entities = entities
        self.dim = 4
        self.fault = fault
        self.table = nn.Embedding(len(entities), 4)

    def forward(self, batch: Batch) -> Tensor:
        rows = batch[self.entities.key]
        vectors = self.table(rows)
        return self.fault(vectors, rows) if self.fault else vectors


class Forgetful(Table):
    def config(self) -> dict[str, float]:
        return {}

    def __init__(self, entities: Entities) -> None:
        super().__init__(entities)
        self.secret = torch.randn(4)

    def forward(self, batch: Batch) -> Tensor:
        return super().forward(batch) + self.secret


BATCH = Batch({"item_id": torch.tensor([1, 2, 1])})


def test_a_tower_of_ones_own(log: EventLog) -> None:
    tower = Table(log.items)
    tower.prepare(log)
    check_tower(tower, BATCH)
    assert tower.training


def test_without_a_config_it_cannot_be_saved(items: Entities) -> None:
    with pytest.raises(ConfigError, match="a Table cannot be saved: give the class a method `config` that returns"):
        Table(items).config()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda vectors, _: vectors[:, :3], r"3 rows gave \(3, 3\); with this dim the shape is \(3, 4\)"),
        (lambda vectors, rows: vectors / (rows != 2).float()[:, None], "a vector is not finite"),
        (lambda vectors, _: vectors.cumsum(0), "a different order of rows changes the vectors"),
        (lambda vectors, rows: vectors + (rows == rows[0]).all(), "equal ids have different vectors"),
        (lambda vectors, rows: vectors / (rows != 0).float()[:, None], "the unknown entity's vector is not finite"),
        (
            lambda vectors, _: vectors.detach() + vectors.new_zeros(1).requires_grad_(),
            "no gradient reaches table.weight",
        ),
    ],
)
def test_contract_catches(items: Entities, fault: Callable[[Tensor, Tensor], Tensor], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_tower(Table(items, fault), BATCH)


def test_contract_catches_what_is_not_saved(items: Entities) -> None:
    with pytest.raises(AssertionError, match="a tower with the same config and weights gives different vectors"):
        check_tower(Forgetful(items), BATCH)
