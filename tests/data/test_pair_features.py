"""PairFeatures: counts by kind of event."""

from __future__ import annotations

import math
from dataclasses import replace

import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.mix import Mix
from motet.data.neighbours import Neighbours
from motet.data.pair_features import PairFeatures
from motet.data.schema import Schema
from motet.errors import ConfigError

EVENTS = [(1, "a", "view"), (1, "a", "view"), (1, "b", "view"), (2, "a", "view"), (2, "a", "buy"), (3, "b", "buy")]
PAIRS = Schema(signals=("bought",))
SIZES = {"user_id": 6, "item_id": 8, "time": 40}


@pytest.fixture
def log() -> EventLog:
    return EventLog.read(pl.DataFrame(EVENTS, ["user_id", "item_id", "event"], orient="row"), Schema(event="event"))


@pytest.fixture
def pairs(log: EventLog) -> EventLog:
    return log.encode(
        pl.DataFrame({"user_id": [1, 2, 9], "item_id": ["a", "b", "a"], "bought": [1, 0, 0]}), schema=PAIRS
    )


def test_counts_are_those_of_distinct_events(log: EventLog, pairs: EventLog) -> None:
    found = PairFeatures(log).columns(pairs.batch().users, pairs.batch().items)
    expected = {
        "pair_view": [1, 0, 0],
        "pair_buy": [0, 0, 0],
        "user_view": [2, 1, 0],
        "user_buy": [0, 1, 0],
        "item_view": [2, 1, 2],
        "item_buy": [1, 1, 1],
    }
    for name, counts in expected.items():
        numbers = counts if name.startswith("pair") else [math.log1p(count) for count in counts]
        torch.testing.assert_close(found[name], torch.tensor(numbers, dtype=torch.float32))
    assert tuple(found) == PairFeatures(log).names


def test_the_unknown_are_not_one_user_and_not_one_item(log: EventLog, pairs: EventLog) -> None:
    """A visitor whom training does not know had viewed all that other unknown users had."""
    strangers = {"user_id": [98, 97, 1, 1], "item_id": ["a", "b", "y", "z"], "event": "view"}
    rows = log.encode(pl.concat([log.frame(), pl.DataFrame(strangers)]))
    batch = pairs.batch()
    found = PairFeatures(rows).columns(batch.users, batch.items)
    for name, expected in PairFeatures(log).columns(batch.users, batch.items).items():
        assert torch.equal(found[name], expected), name


def test_similarities_are_summed_over_the_items_of_a_kind(log: EventLog, pairs: EventLog) -> None:
    near = Neighbours.of(log)
    features = PairFeatures(log, near={"view": near})
    batch = pairs.batch()
    found = features.columns(batch.users, batch.items)
    a, b = log.items.vocab.encode(["a", "b"])
    cosine = float(near.similarity(a, b))
    assert cosine > 0
    assert found["near_view"].tolist() == pytest.approx([cosine, cosine, 0.0])
    assert found["nearest_view"].tolist() == pytest.approx([cosine, cosine, 0.0])


def test_they_are_context_of_the_rows_they_are_added_to(log: EventLog, pairs: EventLog) -> None:
    features = PairFeatures(log)
    known = features.add(pairs)
    assert set(features.names) == set(known.schema.context_features)
    mixed = Mix([log, known]).log
    assert mixed.columns["item_view"].isnan().sum() == len(log)


def test_what_was_not_counted_is_refused(log: EventLog, pairs: EventLog) -> None:
    near = Neighbours.of(log)
    with pytest.raises(ConfigError, match="near='vew' is not an event type in the log; did you mean 'view'"):
        PairFeatures(log, near={"vew": near})
    with pytest.raises(ConfigError, match=r"name the column of event types, Schema\(event=...\)"):
        PairFeatures(pairs)
    with pytest.raises(ConfigError, match="the log already has a column 'pair_buy'; drop it, or rename it"):
        PairFeatures(log).add(PairFeatures(log).add(pairs))


def test_a_row_sees_what_came_before_it() -> None:
    generator = torch.Generator().manual_seed(2)
    draws = {name: torch.randint(0, most, (150,), generator=generator).tolist() for name, most in SIZES.items()}
    frame = pl.DataFrame({**draws, "event": ["view", "view", "buy"] * 50})
    log = EventLog.read(frame, Schema(time="time", event="event"))
    near = Neighbours.of(log, where="event == 'view'")
    known = PairFeatures(log, near={"view": near}).add(log)
    for row, (user, item, time, _) in enumerate(frame.iter_rows()):
        past = frame.filter(pl.col("time") < time)
        for kind in ("view", "buy"):
            had = past.filter(pl.col("event") == kind)
            own = had.filter(pl.col("user_id") == user)["item_id"].unique()
            expected = {
                f"pair_{kind}": float(item in own),
                f"user_{kind}": math.log1p(len(own)),
                f"item_{kind}": math.log1p(had.filter(pl.col("item_id") == item)["user_id"].n_unique()),
            }
            if kind == "view":
                mine, others = log.items.vocab.encode([item]), log.items.vocab.encode(own.to_list())
                alike = near.similarity(mine.expand(len(others)), others)
                expected |= {"near_view": float(alike.sum()), "nearest_view": float(alike.max()) if len(own) else 0.0}
            assert {name: float(known.columns[name][row]) for name in expected} == pytest.approx(expected)


def test_without_moments_the_whole_log_counts(log: EventLog) -> None:
    users, items = log.batch().users, log.batch().items
    timed = replace(
        log, schema=replace(log.schema, time="time"), columns={**log.columns, "time": torch.arange(len(log))}
    )
    always, late = PairFeatures(log), PairFeatures(timed)
    for name, column in late.columns(users, items, before=torch.full(users.shape, 99)).items():
        assert torch.equal(column, always.columns(users, items)[name])
