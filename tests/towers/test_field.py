"""The tower whose vectors stay apart."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from motet.data.batch import Batch
from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.testing import check_tower
from motet.towers import FeatureTower, FieldTower


def batch_of(*rows: int) -> Batch:
    return Batch({"item_id": torch.tensor(rows)})


@pytest.mark.parametrize("arguments", [{"features": ()}, {}, {"features": ["genres", "year"], "sparse": True}], ids=str)
def test_contract(items: Entities, arguments: dict[str, Any]) -> None:
    check_tower(FieldTower(items, field_dim=4, **arguments), batch_of(1, 2, 3, 4, 2, 0, 5))


def test_its_fields_sum_to_a_feature_tower(log: EventLog) -> None:
    apart, summed = FieldTower(log.items, field_dim=4), FeatureTower(log.items, dim=4)
    for tower in (apart, summed):
        tower.prepare(log)
    summed.load_state_dict(apart.state_dict())
    assert apart.dim == 4 * 6
    vectors = apart(batch_of(5, 0, 2))
    assert vectors.shape == (3, 24)
    torch.testing.assert_close(vectors.unflatten(1, (6, 4)).sum(1), summed(batch_of(5, 0, 2)))


def test_errors(items: Entities) -> None:
    with pytest.raises(ConfigError, match="field_dim=0; a field has at least width 1"):
        FieldTower(items, field_dim=0)
    with pytest.raises(ConfigError, match="'genre' is not a feature of 'item_id'; did you mean 'genres'"):
        FieldTower(items, features=["genre"])
