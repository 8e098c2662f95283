"""PairFeatures: counts by kind of event."""

from __future__ import annotations

import math

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
    with pytest.raises(ConfigError, match="near='vew' is no kind of event in the log; did you mean 'view'"):
        PairFeatures(log, near={"vew": near})
    with pytest.raises(ConfigError, match=r"name the log's column of kinds, Schema\(event=...\)"):
        PairFeatures(pairs)
    with pytest.raises(ConfigError, match="the log has a column 'pair_buy' of its own"):
        PairFeatures(log).add(PairFeatures(log).add(pairs))
