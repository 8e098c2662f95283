"""The tower that reads a user's recent items in order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import motet
from motet import Model, Recommender, tasks
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.recent import latest, recent
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError
from motet.testing import check_tower
from motet.towers import FeatureTower, SequenceTower

SHAPES: list[dict[str, Any]] = [{}, {"encoder": "attention", "dropout": 0.1}, {"length": 2}, {"length": 9}]


@pytest.fixture
def events() -> EventLog:
    """Users walk through ten items in a circle, so that the last item says which one is next."""
    rows = [(user, (user + step) % 10, step) for user in range(12) for step in range(8)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row")
    return recent(EventLog.read(frame, Schema(time="time")), 4)


@pytest.mark.parametrize("arguments", SHAPES, ids=str)
def test_contract(events: EventLog, arguments: dict[str, Any]) -> None:
    tower = SequenceTower(events.users, events.items, dim=8, **{"length": 4, **arguments})
    tower.prepare(events)
    check_tower(tower, events.batch())


@pytest.mark.parametrize("encoder", ["gru", "attention"])
def test_padding_never_matters(events: EventLog, encoder: Any) -> None:
    tower = SequenceTower(events.users, events.items, length=9, dim=8, encoder=encoder).eval()
    plain = {name: events.columns[name] for name in events.schema.columns}
    longer = recent(replace(events, columns=plain), 9).batch()
    early = events.columns["time"] <= 4  # until then four items are all there is
    torch.testing.assert_close(tower(longer)[early], tower(events.batch())[early])


@pytest.mark.parametrize("encoder", ["gru", "attention"])
def test_what_comes_later_never_matters(events: EventLog, encoder: Any) -> None:
    tower = SequenceTower(events.users, events.items, length=4, dim=8, encoder=encoder).eval()
    late = events.columns["time"] >= 5
    items = events.columns["item_id"].where(~late, 1)
    other = recent(replace(events, columns={**events.columns, "item_id": items}), 4)
    vectors, changed = tower(events.batch()), tower(other.batch())
    same = events.columns["time"] <= 5  # the first late row has not seen itself
    assert torch.equal(vectors[same], changed[same])
    assert not torch.equal(vectors[~same], changed[~same])


def test_order_and_nothing_else_makes_the_vector(events: EventLog) -> None:
    tower = SequenceTower(events.users, events.items, length=4, dim=8).eval()
    batch = events.batch()
    first = tower(batch)[batch["time"] == 0]
    assert torch.equal(first, tower.nothing.expand_as(first))
    columns = {"user_id": torch.tensor([1, 2]), "recent": torch.tensor([[0, 0, 3, 4], [0, 0, 3, 4]])}
    one, other = tower(Batch(columns))
    torch.testing.assert_close(one, other)


def test_items_can_be_shared_with_the_item_tower(events: EventLog, tmp_path: Path) -> None:
    item = FeatureTower(events.items, dim=8, features=())
    user = SequenceTower(events.users, item.ids, length=4, dim=8)
    assert user.items is item.ids
    model = Model(user=user, item=item, tasks=[tasks.Retrieval()])
    assert len({id(parameter) for parameter in model.parameters()}) == len(list(model.parameters()))
    motet.fit(model, events, epochs=2, batch_size=32, progress=False)
    Recommender(model, events).save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    assert again.recommend([1, 2], 3).ids.tolist() == Recommender(model, events).recommend([1, 2], 3).ids.tolist()


@pytest.mark.parametrize("encoder", ["gru", "attention"])
def test_it_learns_what_comes_next_and_is_served_by_the_end_of_the_log(
    events: EventLog, encoder: Any, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = Model(
        user=SequenceTower(events.users, events.items, length=4, dim=8, encoder=encoder),
        item=FeatureTower(events.items, dim=8, features=()),
        tasks=[tasks.Retrieval(pool=tasks.Catalogue())],
    )
    motet.fit(model, events, epochs=80, batch_size=32, progress=False)
    recommender = Recommender(model, events)
    found = recommender.recommend(list(range(12)), 1, exclude_seen=False).ids[:, 0].tolist()
    assert found == [(user + 8) % 10 for user in range(12)]
    recommender.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model").recommend(list(range(12)), 1, exclude_seen=False)
    assert again.ids[:, 0].tolist() == found


def test_held_out_rows_are_judged_by_their_own_past(events: EventLog) -> None:
    train, test = events.take(events.columns["time"] < 6), events.take(events.columns["time"] >= 6)
    train, test = recent(train, 4), recent(test, 4, before=train)
    torch.manual_seed(0)
    model = Model(
        user=SequenceTower(events.users, events.items, length=4, dim=8),
        item=FeatureTower(events.items, dim=8, features=()),
        tasks=[tasks.Retrieval(pool=tasks.Catalogue())],
    )
    motet.fit(model, train, epochs=60, batch_size=32, device="cpu", progress=False)
    assert motet.evaluate(model, test, train=train)["retrieval/all items/hit_rate@1"] > 0.8
    bare = replace(test, columns={name: test.columns[name] for name in test.schema.columns}).batch()
    vectors = model.user(bare)  # without the column: by the end of the training log
    column = latest(train, len(events.users), 4)[bare.users]
    torch.testing.assert_close(vectors, model.user(replace(bare, columns={**bare.columns, "recent": column})))


def test_a_column_that_looks_into_the_future_is_refused(events: EventLog) -> None:
    column = events.columns["recent"].clone()
    column[0, -1] = events.columns["item_id"][0]
    model = Model(
        user=SequenceTower(events.users, events.items, length=4, dim=8),
        item=FeatureTower(events.items, dim=8),
        tasks=[tasks.Retrieval()],
    )
    with pytest.raises(DataError, match="'recent' looks into the future in 1 rows: the first is row 0"):
        motet.fit(model, replace(events, columns={**events.columns, "recent": column}), progress=False)


def test_mistakes(events: EventLog) -> None:
    tower = SequenceTower(events.users, events.items, length=4, dim=8, column="past")
    with pytest.raises(DataError, match="the log has no column 'past' of recent items; add it"):
        tower.prepare(events)
    with pytest.raises(
        DataError,
        match=r"the tower of 'user_id' reads column 'past', which is not in the batch; add it to the training log: rec",
    ):
        tower(events.batch())
    shared = FeatureTower(events.items, dim=16).ids
    with pytest.raises(ConfigError, match="the shared items have vectors of width 16, and dim=8; give both the same"):
        SequenceTower(events.users, shared, dim=8)
