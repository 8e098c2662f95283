"""The tower that sums a history: as the formula says, and never by way of the row itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import motet
from motet import Model, Recommender, tasks
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.schema import Numeric, Schema
from motet.errors import ConfigError, DataError
from motet.testing import check_tower
from motet.towers import FeatureTower, HistoryTower, Tower


@pytest.fixture
def events() -> EventLog:
    """Sixty events, some of them twice; user 7 and item 9 are known by their tables alone."""
    draw = torch.Generator().manual_seed(3)
    frame = pl.DataFrame(
        {
            "user_id": torch.randint(0, 7, (60,), generator=draw).tolist(),
            "item_id": torch.randint(0, 9, (60,), generator=draw).tolist(),
            "event": [("view", "buy")[row % 3 == 0] for row in range(60)],
        }
    )
    users = pl.DataFrame({"user_id": range(8), "age": [20.0, 30, 40, None, 50, 60, 70, 80]})
    items = pl.DataFrame({"item_id": range(10)})
    schema = Schema(event="event", user_features={"age": Numeric()})
    return EventLog.read(frame, schema, users=users, items=items)


def make(log: EventLog, side: str = "user", **arguments: Any) -> HistoryTower:
    sides = (log.users, log.items) if side == "user" else (log.items, log.users)
    torch.manual_seed(0)
    return HistoryTower(*sides, dim=8, **arguments)


@pytest.mark.parametrize("side", ["user", "item"])
@pytest.mark.parametrize(
    "arguments", [{}, {"features": (), "hidden": (6,), "dropout": 0.2}, {"where": "event == 'buy'"}]
)
def test_contract(events: EventLog, side: str, arguments: dict[str, Any]) -> None:
    tower = make(events, side, **arguments)
    check_tower(tower, events.batch())  # before there is a history
    tower.prepare(events)
    check_tower(tower, events.batch())
    assert tower.training


def test_the_formula(events: EventLog) -> None:
    tower = make(events, features=()).eval()
    tower.prepare(events)
    pairs = set(zip(events.columns["user_id"].tolist(), events.columns["item_id"].tolist(), strict=True))
    vectors = tower(Batch({"user_id": torch.arange(9)}))
    for user in range(9):
        had = [item for who, item in pairs if who == user]
        total = tower.others.weight[had].sum(0) / max(len(had), 1) ** 0.5
        torch.testing.assert_close(vectors[user], tower.ids.weight[user] + total)


@pytest.mark.parametrize("side", ["user", "item"])
@pytest.mark.parametrize("where", [None, "event == 'buy'"])
def test_a_training_row_is_embedded_as_if_it_had_not_been_there(events: EventLog, side: str, where: str | None) -> None:
    tower = make(events, side, where=where)
    tower.prepare(events)
    vectors = tower.train()(events.batch())
    users, items = events.columns["user_id"], events.columns["item_id"]
    for row in range(len(events)):
        others = events.take(~((users == users[row]) & (items == items[row])))
        without = make(others, side, where=where)
        without.prepare(events)  # numbers are standardised by the first rows
        without.prepare(others)
        torch.testing.assert_close(vectors[row], without.eval()(events.take(slice(row, row + 1)).batch())[0])


@pytest.mark.parametrize("side", ["user", "item"])
def test_no_gradient_reaches_the_rows_own_vector(events: EventLog, side: str) -> None:
    tower = make(events, side)
    tower.prepare(events)
    for row in range(0, 60, 7):
        batch = events.take(slice(row, row + 1)).batch()
        (gradient,) = torch.autograd.grad(tower(batch).square().sum(), tower.others.weight)
        assert gradient[batch[tower.other_key]].abs().max() < 1e-6


def test_changing_what_the_row_holds_changes_nothing_through_it(events: EventLog) -> None:
    tower = make(events)
    tower.prepare(events)
    batch = events.batch()
    vectors = tower(batch)
    with torch.no_grad():
        for row in range(0, 60, 7):
            kept = tower.others.weight.clone()
            tower.others.weight[batch.items[row]] += 1.0
            torch.testing.assert_close(tower(batch)[row], vectors[row], atol=1e-5, rtol=0)
            tower.others.weight.copy_(kept)


def test_the_mode_decides_what_is_read(events: EventLog) -> None:
    user, item = make(events), FeatureTower(events.items, dim=8)
    model = Model(user=user, item=item, tasks=[tasks.Retrieval()])
    model.prepare(events)
    batch = events.batch()
    assert user.context == ("item_id",)
    rows = (batch.users == batch.users[0]).nonzero()[:, 0]
    assert not torch.equal(model(batch)[0][rows[0]], model(batch)[0][rows[1]])
    model.eval()
    assert user.context == ()
    assert torch.equal(model(batch)[0][rows[0]], model(batch)[0][rows[1]])


@pytest.mark.parametrize("side", ["user", "item"])
def test_training_evaluation_and_serving(events: EventLog, side: str, tmp_path: Path) -> None:
    parts: dict[str, Tower] = {"user": FeatureTower(events.users, dim=8), "item": FeatureTower(events.items, dim=8)}
    parts[side] = make(events, side)
    pool = tasks.InBatch(spare="history")
    model = Model(**parts, tasks=[tasks.Retrieval(pool=pool)])  # type: ignore[arg-type]
    motet.fit(model, events, epochs=2, batch_size=16, validation=events, average=0.9, device="cpu", progress=False)
    report = motet.evaluate(model, events, train=events)
    assert 0 <= report["retrieval/all items/hit_rate@10"] <= 1
    recommender = Recommender(model, events)
    recommender.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    for user in range(8):
        one, other = (each.recommend(user, 5, exclude_seen=False) for each in (recommender, again))
        assert one.ids.tolist() == other.ids.tolist()
        assert torch.equal(one.scores, other.scores)
    saved = getattr(again.model, side)
    assert torch.equal(saved.had, parts[side].had)  # type: ignore[arg-type]


def test_a_recommender_of_a_model_still_in_training(events: EventLog) -> None:
    model = Model(user=make(events), item=FeatureTower(events.items, dim=8), tasks=[tasks.Retrieval()])
    model.prepare(events)
    assert len(Recommender(model.train(), events).recommend(1, 3).ids) == 3


def test_both_sides_are_needed(events: EventLog) -> None:
    with pytest.raises(ConfigError, match="a HistoryTower of 'user_id' needs the other side as its history, and got"):
        HistoryTower(events.users, events.users)


@pytest.mark.parametrize("task", [tasks.Retrieval(pool=tasks.Catalogue()), tasks.BPR(), tasks.WholeCatalogue()])
def test_items_outside_the_batch_have_no_row_to_leave_out(events: EventLog, task: tasks.Task) -> None:
    model = Model(user=FeatureTower(events.users, dim=8), item=make(events, "item"), tasks=[task])
    with pytest.raises(ConfigError, match=r"'item_id' reads user_id of each row, .*; give Retrieval the pool InBatch"):
        motet.fit(model, events, epochs=1, progress=False)


def test_training_without_the_other_side(events: EventLog) -> None:
    tower = make(events, "item")
    tower.prepare(events)
    with pytest.raises(
        DataError,
        match=r"the tower of 'item_id' is in training and leaves each row's own 'user_id' out of the history",
    ):
        tower(Batch({"item_id": torch.tensor([1])}))
    assert tower.eval()(Batch({"item_id": torch.tensor([1])})).shape == (1, 8)


def test_checkpoints_resume(events: EventLog, tmp_path: Path) -> None:
    def model() -> Model:
        torch.manual_seed(0)
        return Model(user=make(events), item=FeatureTower(events.items, dim=8), tasks=[tasks.Retrieval()])

    whole, halves = model(), model()
    settings = {"batch_size": 16, "device": "cpu", "progress": False}
    motet.fit(whole, events, epochs=4, **settings)
    motet.fit(halves, events, epochs=2, checkpoint=tmp_path / "c", **settings)
    motet.fit(again := model(), events, epochs=4, checkpoint=tmp_path / "c", resume=True, **settings)
    assert torch.equal(again.user(events.batch()), whole.user(events.batch()))
