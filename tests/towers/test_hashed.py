"""The tower whose values share one table."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
import torch

from motet.data.batch import Batch
from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.data.vocab import Vocab
from motet.errors import ConfigError
from motet.testing import check_tower
from motet.towers import HashedTower

SHAPES: list[dict[str, Any]] = [{}, {"features": (), "probes": 1}, {"hidden": (8,), "dropout": 0.1}]
SHAPES += [{"rows": [20, 30, 10], "probes": {"item_id": 4, "studio": 1}, "hidden": (8,)}]


@pytest.mark.parametrize("arguments", [*SHAPES, {"features": ["genres"], "sparse": True}], ids=str)
def test_contract(items: Entities, log: EventLog, arguments: dict[str, Any]) -> None:
    tower = HashedTower(items, **{"rows": 40, "dim": 8, **arguments})
    tower.prepare(log)
    check_tower(tower, Batch({"item_id": torch.tensor([1, 2, 3, 4, 2, 0, 5])}))


def test_vectors_are_those_of_the_table_summed(items: Entities) -> None:
    tower = HashedTower(items, rows=40, dim=8, features=["studio", "genres"])
    genres = items.features["genres"].vocab.encode(["a", "b", "c"])
    studio = items.features["studio"].rows[1:2]
    expected = tower.table(torch.tensor([1]), 0)[0] + tower.table(studio, 1)[0] + tower.table(genres, 2).mean(0)
    torch.testing.assert_close(tower(Batch({"item_id": torch.tensor([1])}))[0], expected)


def test_numbers_are_standardised_by_the_training_rows(items: Entities, log: EventLog) -> None:
    tower = HashedTower(items, rows=40, dim=8, features=["year"])
    tower.prepare(log)
    assert tower.columns[0].embedding.standardise.mean == pytest.approx((1990 + 2000 + 1995) / 3)


def test_the_table_is_as_large_as_it_was_asked_to_be() -> None:
    users = Entities("user_id", Vocab.build(pl.Series(range(50_000)), "user_id"))
    tower = HashedTower(users, rows=1000, dim=8)
    assert sum(parameter.numel() for parameter in tower.parameters()) == 4000
    vectors = tower(Batch({"user_id": torch.arange(50_001)}))
    assert len(vectors.unique(dim=0)) > 48_000


def test_mistakes(items: Entities) -> None:
    with pytest.raises(ConfigError, match="2 probes cannot share a width of 7; give a dim that is a multiple of 2"):
        HashedTower(items, rows=40, dim=7)
    with pytest.raises(ConfigError, match="probes names 'genre', which the tower does not read; did you mean 'genres'"):
        HashedTower(items, rows=40, dim=8, probes={"genre": 1})
    with pytest.raises(ConfigError, match="'genre' is not a feature of 'item_id'; did you mean 'genres'"):
        HashedTower(items, rows=40, features=["genre"])
