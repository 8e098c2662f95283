"""Fields of both sides and their products."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.schema import Categorical, MultiValued, Schema
from motet.errors import ConfigError
from motet.model import Model
from motet.tasks import Rating
from motet.testing import check_trunk
from motet.towers import FeatureTower, FieldTower
from motet.trunks import Interaction


@pytest.mark.parametrize("products", ["each", "sum"])
def test_contract(products: Any) -> None:
    check_trunk(lambda: Interaction(4, products=products, hidden=(8, 5), dropout=0.2))
    check_trunk(lambda: Interaction(12, products=products))  # one field has no product


def test_the_network_sees_the_fields_and_their_products() -> None:
    pairs = torch.tensor([[1.0, 2.0, 3.0, 4.0, 0.0, 1.0]])
    for products, seen in (("each", [11.0, 2.0, 4.0]), ("sum", [17.0])):
        trunk = Interaction(2, products=products, hidden=(4,))  # type: ignore[arg-type]
        trunk.build(6, ["click", "buy"])
        expected = trunk.mlp(torch.cat([pairs, torch.tensor([seen])], 1))
        read = trunk(pairs)
        torch.testing.assert_close(read["click"], expected)
        torch.testing.assert_close(read["buy"], expected)


def log_of() -> EventLog:
    """What is liked depends on country and genre together, on neither alone."""
    liked = [(user, item, float((user + item) % 2)) for user in range(8) for item in range(6)]
    return EventLog.read(
        pl.DataFrame(liked, schema=["user_id", "item_id", "liked"], orient="row"),
        Schema(
            signals=("liked",), user_features={"country": Categorical()}, item_features={"genres": MultiValued("|")}
        ),
        users=pl.DataFrame({"user_id": range(8), "country": ["at", "ch"] * 4}),
        items=pl.DataFrame({"item_id": range(6), "genres": ["war", "war|art"] * 3}),
    )


def test_features_of_both_sides_meet() -> None:
    torch.manual_seed(0)
    log = log_of()
    model = Model(
        user=FieldTower(log.users, field_dim=3),
        item=FieldTower(log.items, field_dim=3),
        tasks=[Rating("liked", hidden=(4,))],
        trunk=Interaction(3, hidden=(4,)),
    )
    model.prepare(log)
    batch = log.batch()
    user, item = model(batch)
    vectors = [user[:, :3], user[:, 3:], item[:, :3], item[:, 3:]]
    dots = [(vectors[i] * vectors[j]).sum(1, keepdim=True) for i in range(4) for j in range(i)]
    expected = model.tasks["liked"].head(model.trunk.mlp(torch.cat([user, item, *dots], 1))).squeeze(1)
    torch.testing.assert_close(model.score(batch)["liked"], expected)


def test_errors() -> None:
    log = log_of()
    towers = {"user": FieldTower(log.users, field_dim=4), "item": FeatureTower(log.items, dim=5)}
    words = (
        r"a total width of 13, which is not a multiple of field_dim=4; give both towers \(FieldTower\) and the trunk"
    )
    with pytest.raises(ConfigError, match=words):
        Model(**towers, tasks=[Rating("liked")], trunk=Interaction(4))
    with pytest.raises(ConfigError, match="field_dim=0; it must be at least 1"):
        Interaction(0)


@pytest.mark.usefixtures("unchecked_types")
def test_unknown_products() -> None:
    with pytest.raises(ConfigError, match="products='some'; it must be 'each' or 'sum'"):
        Interaction(products="some")  # type: ignore[arg-type]
