"""The tower of features alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from motet.data.batch import Batch
from motet.data.entities import Codes, Entities
from motet.data.schema import Categorical
from motet.errors import ConfigError
from motet.testing import check_tower
from motet.towers import ContentTower


@pytest.mark.parametrize(
    "arguments", [{}, {"features": ["genres"], "sparse": True}, {"hidden": (8,), "cross_layers": 1}]
)
def test_contract(items: Entities, arguments: dict[str, Any]) -> None:
    check_tower(ContentTower(items, dim=8, **arguments), Batch({"item_id": torch.arange(6)}))


def test_equal_features_give_equal_vectors(items: Entities) -> None:
    codes = Codes(torch.tensor([0, 1, 2, 1, 2, 1]), items.features["studio"].vocab)
    vectors = ContentTower(Entities("item_id", items.vocab, {"s": codes}, {"s": Categorical()}))(
        Batch({"item_id": torch.arange(6)})
    )
    assert torch.equal(vectors[1], vectors[3])
    assert not torch.equal(vectors[1], vectors[2])


def test_numbers_are_standardised_by_the_training_rows(items: Entities) -> None:
    class Log:
        def batch(self) -> Batch:
            return Batch({"item_id": torch.tensor([1, 2])})

    tower = ContentTower(items, features=["year"])
    tower.prepare(Log())
    assert tower.features.encoders[0].embedding.standardise.mean == 1995


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_without_features_there_is_nothing_to_embed(items: Entities, hidden: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="there is nothing to combine: name at least one feature"):
        ContentTower(items, features=(), hidden=hidden)
