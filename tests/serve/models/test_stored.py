"""Events told to a service count as seen as the model's rule says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.model import Model
from motet.recommender import Recommender
from motet.retrievers import Retriever, Touched
from motet.serve.events.event import Had
from motet.serve.events.store import EventStore
from motet.serve.http.app import create_app
from motet.serve.models.served import ServedModel
from motet.serve.models.stored import as_histories, known_items
from motet.serve.rollout.lineup import Lineup
from motet.serve.service import Service
from motet.tasks import Retrieval
from motet.towers import FeatureTower
from serve.conftest import Caller

ITEMS = [f"i{number}" for number in range(8)]
LONG = Schema(event="event", signals=("value",))
WIDE = Schema(signals=("clicked", "bought"))


def shop(schema: Schema) -> EventLog:
    rows = {
        "user_id": [1, 1, 2, 3] * 2,
        "item_id": ITEMS,
        "event": ["view", "buy", "view", "rate"] * 2,
        "value": [None, None, None, 4.0] * 2,
        "clicked": [1, 1, 0, 0] * 2,
        "bought": [0, 1, 0, 0] * 2,
    }
    return EventLog.read(pl.DataFrame(rows), schema)


def recommender(schema: Schema, seen: str | None, *retrieve: str | Retriever) -> Recommender:
    log = shop(schema)
    torch.manual_seed(0)
    user, item = FeatureTower(log.users, dim=4), FeatureTower(log.items, dim=4)
    return Recommender(Model(user=user, item=item, tasks=[Retrieval()]), log, seen=seen, retrieve=retrieve or None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    store = EventStore(str(tmp_path / "events.db"))
    yield store
    store.close()


def caller(store: EventStore, model: Recommender) -> Caller:
    return Caller(create_app(Service(Lineup.alone(ServedModel(model)), store=store)))


def missing(ask: Caller, **asked: Any) -> set[str]:
    """What user 2 is not recommended."""
    answer = ask.post("/v1/recommend", {"user": 2, "k": 8, **asked})
    return {*ITEMS} - {each["id"] for each in answer["results"][0]["items"]}


def tell(ask: Caller, item: str, **told: Any) -> None:
    ask.post("/v1/events", {"events": [{"id": f"{item}{told}", "user": 2, "item": item, **told}]})


def test_only_what_the_rule_names_is_left_out(store: EventStore) -> None:
    ask = caller(store, recommender(LONG, "event == 'buy' or event == 'rate' and value >= 4"))
    assert missing(ask) == set()
    for item, told, seen in (
        ("i0", {"event": "view"}, False),
        ("i1", {"event": "buy"}, True),
        ("i2", {}, True),  # could be anything
        ("i3", {"event": "rate", "value": 2}, False),
        ("i4", {"event": "rate", "value": 5}, True),
        ("i5", {"event": "rate"}, True),  # could be a good one
        ("i6", {"event": "wish"}, False),  # of a kind that training never had
        ("gone", {"event": "buy"}, False),
    ):
        before = missing(ask)
        tell(ask, item, **told)
        assert missing(ask) == before | ({item} if seen else set()), told
    tell(ask, "i0", event="buy")
    assert missing(ask) == {"i0", "i1", "i2", "i4", "i5"}
    assert missing(ask, exclude_seen=False) == set()
    assert missing(ask, history=["i7"]) == {"i0", "i1", "i2", "i4", "i5", "i7"}  # what if they had
    answer = ask.post("/v1/recommend", {"user": "new", "history": ["i7"], "k": 8, "reasons": True})["results"][0]
    assert answer["basis"] == "history"
    assert answer["items"][0]["reasons"][0]["id"] == "i7"
    assert ask.post("/v1/score", {"user": 2, "items": ["i0"]})["events"]


def test_what_was_just_viewed_comes_first(store: EventStore) -> None:
    ask = caller(store, recommender(LONG, "event == 'buy'", Touched("event == 'view'"), "retrieval"))

    def first(user: str) -> list[str]:
        answer = ask.post("/v1/recommend", {"user": user, "k": 8})
        return [each["id"] for each in answer["results"][0]["items"] if each["score"] > 1]

    assert (sorted(first("2")), first("new")) == (["i2", "i6"], [])
    tell(ask, "i7", event="view")
    tell(ask, "i5", event="rate", value=4)
    assert sorted(first("2")) == ["i2", "i6", "i7"]
    ask.post("/v1/events", {"events": [{"id": "n", "user": "new", "item": "i7", "event": "view"}]})
    assert first("new") == ["i7"]
    tell(ask, "i7", event="buy")
    assert sorted(first("2")) == ["i2", "i6"]


def test_all_that_is_told_counts_where_there_is_no_rule(store: EventStore) -> None:
    ask = caller(store, recommender(LONG, None))
    tell(ask, "i0", event="view")
    assert missing(ask) == {"i0", "i2", "i6"}


def test_an_event_speaks_of_the_signal_that_it_names(store: EventStore) -> None:
    ask = caller(store, recommender(WIDE, "bought == 1"))
    tell(ask, "i0", event="clicked", value=1)
    tell(ask, "i1", event="bought", value=1)
    tell(ask, "i3", event="bought", value=0)
    tell(ask, "i4", event="bought")
    tell(ask, "i5", event="wish")  # of none
    assert missing(ask) == {"i1", "i4", "i5"}


def test_kinds_may_be_numbers_and_values_of_any_size(store: EventStore) -> None:
    rows = shop(LONG).frame().with_columns(event=pl.col("event").replace_strict({"view": 1, "buy": 2, "rate": 3}))
    log = EventLog.read(rows, LONG)
    user, item = FeatureTower(log.users, dim=4), FeatureTower(log.items, dim=4)
    model = Model(user=user, item=item, tasks=[Retrieval()])
    ask = caller(store, Recommender(model, log, seen="event == 2 or event == 3 and value < 4"))
    for place, kind in {"i0": "1", "i1": "2", "i3": "view", "i4": "9"}.items():
        tell(ask, place, event=kind)
    tell(ask, "i5", event="3", value=1e300)
    tell(ask, "i7", event="3", value=-1e300)
    assert missing(ask) == {"i1", "i3", "i7"}


def test_items_come_in_the_order_of_their_last_events() -> None:
    log = shop(LONG)
    had = known_items(log, [Had("i1", "buy"), Had("i2"), Had("gone"), Had("i1", "view")], ["i3", 7])
    assert [each.item for each in had] == ["i1", "i2", "i1", "i3"]
    assert as_histories(log, None, {1: had, 2: []}) == {1: ["i2", "i1", "i3"]}
    table = as_histories(log, "event == 'buy'", {1: had, 2: []})
    assert isinstance(table, pl.DataFrame)
    assert table["event"].to_list() == ["view", None, "buy", None]
    assert as_histories(log, "event == 'buy'", {2: []}) == {}
