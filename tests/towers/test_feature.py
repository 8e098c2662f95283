"""The tower of ids and features."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from motet.data.batch import Batch
from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.testing import check_tower
from motet.towers import FeatureTower

SHAPES: list[dict[str, Any]] = [
    {"features": ()},
    {},
    {"features": ["genres"], "sparse": True},
    {"features": ["year", "released"], "dropout": 0.5},
    {"hidden": (16, 8), "dropout": 0.2},
    {"cross_layers": 2},
    {"features": (), "hidden": (8,)},
]


def batch_of(*rows: int) -> Batch:
    return Batch({"item_id": torch.tensor(rows)})


@pytest.mark.parametrize("arguments", SHAPES, ids=str)
def test_contract(items: Entities, arguments: dict[str, Any]) -> None:
    check_tower(FeatureTower(items, dim=8, **arguments), batch_of(1, 2, 3, 4, 2, 0, 5))


def test_id_only_is_a_plain_embedding_table(items: Entities) -> None:
    torch.manual_seed(1)
    table = torch.empty(6, 8).uniform_(-0.05, 0.05)
    torch.manual_seed(1)
    tower = FeatureTower(items, dim=8, features=())
    assert [name for name, _ in tower.named_parameters()] == ["ids.weight"]
    rows = torch.tensor([5, 0, 5, 2])
    assert torch.equal(tower(batch_of(5, 0, 5, 2)), F.embedding(rows, table))


def test_features_are_summed(items: Entities) -> None:
    tower = FeatureTower(items, dim=8, features=["genres", "studio", "year"])
    genres, studio, year = tower.features.encoders
    tower.prepare(Log([1, 2]))
    table = genres.embedding.weight
    codes = items.features["genres"].vocab.encode(["a", "b", "c"])
    expected = (
        tower.ids.weight[1]
        + table[codes].mean(0)
        + studio.embedding.weight[items.features["studio"].rows[1]]
        - year.embedding.weight[0]  # 1990 is one deviation below the mean of 1990 and 2000
    )
    torch.testing.assert_close(tower(batch_of(1))[0], expected)


def test_missing_features_leave_the_id_and_what_missing_means(items: Entities) -> None:
    tower = FeatureTower(items, dim=8, features=["genres", "studio", "year"])
    _, studio, year = tower.features.encoders
    expected = tower.ids.weight[4] + studio.embedding.weight[0] + year.embedding.weight[1]
    torch.testing.assert_close(tower(batch_of(4))[0], expected)


class Log:
    """As much of a log as a tower looks at before training."""

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows

    def batch(self) -> Batch:
        return batch_of(*self.rows)


def test_numbers_are_standardised_by_the_training_rows_each_entity_once(items: Entities) -> None:
    tower = FeatureTower(items, dim=8, features=["year"])
    scale = tower.features.encoders[0].embedding.standardise
    assert scale.mean == pytest.approx((1990 + 2000 + 1995 + 9999) / 4)
    tower.prepare(Log([1, 1, 1, 2, 4]))
    assert scale.mean == 1995
    assert scale.std == 5
    tower.prepare(Log([5]))
    assert scale.mean == 1995, "training that goes on with newer rows keeps the scale its weights were trained on"


def test_the_scale_is_saved_and_the_table_is_not(items: Entities) -> None:
    tower = FeatureTower(items, dim=8)
    tower.prepare(Log([1, 2]))
    state = tower.state_dict()
    assert not [name for name in state if "codes" in name or "offsets" in name or "values" in name]
    assert [name for name in state if name.endswith("mean")]


def test_features_come_in_the_order_given_and_are_named_in_the_config(items: Entities) -> None:
    assert FeatureTower(items).config()["features"] == ["genres", "studio", "title", "year", "released"]
    config = FeatureTower(items, features=("year", "genres"), hidden=(4,)).config()
    assert config == {
        "dim": 32,
        "features": ["year", "genres"],
        "hidden": [4],
        "cross_layers": 0,
        "dropout": 0.0,
        "init_scale": 0.05,
        "sparse": False,
    }


def test_sparse_gradients_of_every_table(items: Entities) -> None:
    tower = FeatureTower(items, dim=8, features=["genres", "studio"], sparse=True)
    tower(batch_of(1, 2)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.is_sparse for parameter in tower.parameters())


def test_columns_of_any_name(items: Entities) -> None:
    names = {"values": "genres", "type": "year", "a.b": "studio", "": "title"}
    features = {new: items.features[old] for new, old in names.items()}
    kinds = {new: items.kinds[old] for new, old in names.items()}
    check_tower(FeatureTower(Entities("item_id", items.vocab, features, kinds)), batch_of(1, 2))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            ["genre"],
            r"'genre' is not a feature of 'item_id'; did you mean 'genres'\? Declared features: genres, studio, ",
        ),
        (["zzz"], r"'zzz' is not a feature of 'item_id'\. Declared features: genres"),
        (["year", "year"], "feature 'year' of 'item_id' is named twice; name it once"),
        ("year", r"features='year'; it must be a list of texts or None; write features=\('year',\)"),
    ],
)
def test_wrong_features(items: Entities, features: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FeatureTower(items, features=features)


def test_feature_of_entities_without_any(items: Entities) -> None:
    with pytest.raises(ConfigError, match=r"'year' is not a feature of 'item_id'\. Declared features: none\."):
        FeatureTower(Entities("item_id", items.vocab), features=["year"])


def test_movielens(movielens: EventLog) -> None:
    for entities in (movielens.users, movielens.items):
        tower = FeatureTower(entities, dim=32, hidden=(64,), cross_layers=1)
        tower.prepare(movielens)
        check_tower(tower, Batch({entities.key: torch.arange(len(entities))}))
