"""The tower that reads columns of the event."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.schema import Numeric
from motet.errors import ConfigError, DataError
from motet.model import Model
from motet.recommender import Recommender
from motet.tasks import Event
from motet.testing import check_tower
from motet.towers import ContextTower, FeatureTower, context_columns

CONTEXT = {"device": 3, "price": "numeric", "shown": "timestamp"}
UNKNOWN = {"device": torch.tensor([0]), "price": torch.tensor([torch.nan]), "shown": torch.tensor([torch.nan])}


def test_kinds_are_read_from_the_log(log: EventLog) -> None:
    assert context_columns(log) == CONTEXT
    assert context_columns(log, ["price"]) == {"price": "numeric"}


def test_the_time_of_the_event_can_be_read_where_it_is_named(log: EventLog) -> None:
    timed = replace(log, schema=replace(log.schema, time="shown", context_features={"price": Numeric()}))
    assert context_columns(timed) == {"price": "numeric"}
    assert context_columns(timed, ["price", "shown"]) == {"price": "numeric", "shown": "timestamp"}
    with pytest.raises(ConfigError, match=r"Declared context features: price; time column: shown\."):
        context_columns(timed, ["device"])


@pytest.mark.parametrize("side", ["user", "item"])
@pytest.mark.parametrize("arguments", [{}, {"features": (), "hidden": (8,), "cross_layers": 1, "dropout": 0.1}])
def test_contract(log: EventLog, side: str, arguments: dict[str, Any]) -> None:
    tower = ContextTower(log.users if side == "user" else log.items, context=context_columns(log), dim=8, **arguments)
    tower.prepare(log)
    check_tower(tower, log.batch())


def test_numbers_in_buckets(log: EventLog) -> None:
    tower = ContextTower(log.users, context={"price": "2 buckets"}, dim=8)
    tower.prepare(log)
    check_tower(tower, log.batch())
    assert torch.equal(tower.events[0].bucket(torch.tensor([0.0, 100.0, torch.nan])), torch.tensor([1, 2, 0]))
    numbers = replace(log, schema=replace(log.schema, context_features={"price": Numeric(buckets=3)}))
    assert context_columns(numbers) == {"price": "3 buckets"}
    with pytest.raises(ConfigError, match="context column 'price' has the kind '1 buckets'"):
        ContextTower(log.users, context={"price": "1 buckets"})


def test_context_adds_to_the_vector(log: EventLog) -> None:
    tower = ContextTower(log.items, context=context_columns(log, ["device", "price"]), features=(), dim=8)
    tower.prepare(log)
    batch = log.batch()
    device, price = tower.events
    expected = tower.ids.weight[batch.items] + device.weight[batch["device"]]
    scaled = (torch.tensor([1.0, 3.0, 3.0, 5.0]) - 3) / (8 / 3) ** 0.5
    expected = expected + scaled[:, None] * price.weight[0]
    expected[2] = expected[2] + price.weight[1]
    torch.testing.assert_close(tower(batch), expected)
    assert tower.context == ("device", "price")


def test_first_training_rows_set_the_scale(log: EventLog) -> None:
    tower = ContextTower(log.items, context={"price": "numeric"})
    tower.prepare(log)
    tower.prepare(log.take(slice(0, 1)))
    assert tower.events[0].standardise.mean == 3


def test_a_request_without_context_meets_the_usual_one(log: EventLog) -> None:
    tower = ContextTower(log.items, context=CONTEXT).eval()
    item = log.batch().entities("item_id", torch.tensor([1]))
    unknown = Batch({"item_id": torch.tensor([1]), **UNKNOWN}, item_key="item_id")
    torch.testing.assert_close(tower(item), tower(unknown))
    tower.prepare(log)
    columns = log.batch().columns
    usual = {
        "device": columns["device"][columns["device"] > 0].mode().values[None],
        "price": columns["price"].nanmean()[None],
        "shown": columns["shown"].nan_to_num(-1).max()[None],
    }
    for given in ({}, {"price": usual["price"]}, usual):
        torch.testing.assert_close(
            tower(Batch({"item_id": torch.tensor([1]), **given}, item_key="item_id")), tower(item)
        )
    assert not torch.equal(tower(item), tower(unknown))


def test_a_request_gives_the_context_among_the_features(log: EventLog, tmp_path: Path) -> None:
    tower = ContextTower(log.users, context=CONTEXT, dim=4, init_scale=1.0)
    item = FeatureTower(log.items, dim=4, features=())
    model = Model(user=tower, item=item, tasks=[Event("click")])
    model.prepare(log)
    model.eval()
    Recommender(model, log).save(tmp_path / "model")
    row = log.take(slice(0, 1))
    told = row.frame().select("user_id", *CONTEXT)
    (user,) = told["user_id"].to_list()
    for recommender in (Recommender(model, log), Recommender.load(tmp_path / "model")):
        fold_in = recommender.fold_in
        expected = model.user(row.batch()).detach()
        torch.testing.assert_close(fold_in([user], features=told).vectors, expected)
        usual = fold_in([user]).vectors
        assert not torch.allclose(usual, expected)
        for nothing in ({"device": "never seen"}, {"price": None}):
            torch.testing.assert_close(fold_in([user], features=nothing).vectors, usual)
        two = pl.DataFrame({"user_id": [user, log.users.vocab.ids[1]], "price": [9.0, None]})
        vectors = fold_in(two["user_id"].to_list(), features=two).vectors
        assert not torch.allclose(vectors[0], usual[0])
        torch.testing.assert_close(vectors[1:], fold_in([two["user_id"][1]]).vectors)
        with pytest.raises(DataError, match=r"'devise' is not a feature .* did you mean 'device'\?"):
            fold_in([user], features={"devise": "tv"})


def test_a_model_that_was_in_float64_is_saved_and_loaded(log: EventLog, tmp_path: Path) -> None:
    tower = ContextTower(log.users, context={**CONTEXT, "price": "2 buckets"}, dim=4)
    model = Model(user=tower, item=FeatureTower(log.items, dim=4), tasks=[Event("click")])
    model.prepare(log)
    before = Recommender(model, log).predict(1, [1, 2])["click"]
    Recommender(model.double().float(), log).save(tmp_path / "model")
    assert torch.equal(Recommender.load(tmp_path / "model").predict(1, [1, 2])["click"], before)


def test_absent_column(log: EventLog) -> None:
    tower = ContextTower(log.items, context=CONTEXT)
    with pytest.raises(
        DataError,
        match=r"the tower of 'item_id' reads the context column 'device', which is not in the batch; "
        r"give each of device, price, shown, 0 or NaN where unknown",
    ):
        tower(log.batch().entities("item_id", torch.tensor([1])))


@pytest.mark.parametrize("kind", ["number", 0, -1])
def test_wrong_kind(log: EventLog, kind: Any) -> None:
    with pytest.raises(
        ConfigError, match=rf"context column 'price' has the kind {kind!r}; give its number of categories"
    ):
        ContextTower(log.items, context={"price": kind})


def test_columns_are_checked_before_training(log: EventLog) -> None:
    for context, words in (
        ({"devices": 3}, "context column 'devices', which is not in the log; did you mean 'device'"),
        ({"device": 2}, "reads 'device' as 2 categories, and it holds codes up to 2; context_columns"),
        ({"price": 3}, "reads 'price' as 3 categories, and it holds numbers; context_columns"),
        ({"device": "numeric"}, "reads 'device' as 'numeric', and it holds categories; context_columns"),
    ):
        with pytest.raises(DataError, match=words):
            ContextTower(log.items, context=context).prepare(log)  # type: ignore[arg-type]


def test_no_context(log: EventLog) -> None:
    with pytest.raises(ConfigError, match="a ContextTower needs at least one context column; name one"):
        ContextTower(log.items, context={})


def test_undeclared_context(log: EventLog) -> None:
    with pytest.raises(
        ConfigError,
        match=r"'prices' is not a context feature; did you mean 'price'\? Declared context features: device, ",
    ):
        context_columns(log, ["prices"])
