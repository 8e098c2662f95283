"""RequestEvents: what a request states about events, and what it leaves open."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch

from motet.data.expression import Expression
from motet.data.log import EventLog
from motet.data.request_events import RequestEvents
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError

ROWS = [(1, "a", "view", None, 10), (1, "b", "buy", 3.0, 20), (2, "a", "view", None, 30), (2, "c", "rate", 5.0, 40)]


@pytest.fixture
def log() -> EventLog:
    frame = pl.DataFrame(ROWS, ["user", "item", "event", "stars", "at"], orient="row")
    return EventLog.read(frame, Schema(user="user", item="item", time="at", event="event", signals=("stars",)))


def chosen(log: EventLog, where: str, **columns: list[object]) -> list[bool]:
    size = len(next(iter(columns.values())))
    table = pl.DataFrame({"user": [1] * size, "item": ["a"] * size, **columns})
    events = RequestEvents.of(table, [1], torch.tensor([1]), log)
    kept = Expression(where).may_hold(events.batch, events.unstated)
    assert len(events.where(Expression(where))) == int(kept.sum())
    return kept.tolist()


def test_lines_keep_the_order_they_are_passed_in(log: EventLog) -> None:
    table = pl.DataFrame({"user": [2, 1, 2], "item": ["c", "a", "b"], "note": ["x", "y", "z"]})
    rows = torch.tensor([1, 0, 2, 2])
    events = RequestEvents.of(table, [1, 9, 2, 2], rows, log)
    assert events.who.tolist() == [0, 2, 2, 3, 3]
    assert log.items.vocab.decode(events.items).to_list() == ["a", "c", "b", "c", "b"]
    assert events.batch.users.tolist() == [1, 2, 2, 2, 2]
    mapped = RequestEvents.of({1: "a", 2: ["c", "b"]}, [1, 9, 2, 2], rows, log)
    assert (mapped.who.tolist(), mapped.items.tolist()) == (events.who.tolist(), events.items.tolist())
    assert len(mapped.where(Expression("event == 'buy'"))) == len(mapped)
    some = events.take(torch.tensor([3, 1, 0, 3]))
    assert some.who.tolist() == [0, 0, 2, 3, 3]
    assert log.items.vocab.decode(some.items).to_list() == ["c", "b", "a", "c", "b"]
    assert len(RequestEvents.of(None, [1], rows[:1], log)) == 0


def test_a_condition_holds_for_the_events_of_a_request(log: EventLog) -> None:
    kinds = ["buy", "view", None, "wish"]
    assert chosen(log, "event == 'buy'", event=kinds) == [True, False, True, False]
    assert chosen(log, "event != 'view'", event=kinds) == [True, False, True, True]
    assert chosen(log, "not (event in ['buy', 'rate'])", event=kinds) == [False, True, True, True]
    both = "event == 'rate' and stars >= 4"
    assert chosen(log, both, event=["view", "rate", "rate", "rate"], stars=[None, None, 3.0, 4.0]) == [
        False,
        True,
        False,
        True,
    ]
    assert chosen(log, "stars >= 4", stars=[5.0, None, float("nan"), 1.0]) == [True, True, False, False]
    assert chosen(log, "at < 15", at=[10, None, 20]) == [True, True, False]
    assert chosen(log, "item == 'a' and event == 'buy'", event=["buy"]) == [True]


def test_refuses(log: EventLog) -> None:
    with pytest.raises(ConfigError, match="histories names the user 3, who is not asked for"):
        RequestEvents.of(pl.DataFrame({"user": [3], "item": ["a"]}), [1], torch.tensor([1]), log)
    with pytest.raises(DataError, match="item 'd' is not among the 3 known items"):
        RequestEvents.of(pl.DataFrame({"user": [1], "item": ["d"]}), [1], torch.tensor([1]), log)
    with pytest.raises(DataError, match="column 'item' is not in the table of histories; did you mean 'itm'"):
        RequestEvents.of(pl.DataFrame({"user": [1], "itm": ["a"]}), [1], torch.tensor([1]), log)
    with pytest.raises(DataError, match="holds text such as '1', but its known ids are whole numbers"):
        RequestEvents.of(pl.DataFrame({"user": ["1"], "item": ["a"]}), [1], torch.tensor([1]), log)
    with pytest.raises(DataError, match="column 'stars' of the table of histories holds text"):
        RequestEvents.of(pl.DataFrame({"user": [1], "item": ["a"], "stars": ["many"]}), [1], torch.tensor([1]), log)


def test_a_file_without_types_is_read_in_those_of_the_log(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": ["007", "x"], "item": ["1984", "heat"], "event": ["1", "view"]})
    log = EventLog.read(frame, Schema(user="user", item="item", event="event"))
    frame.head(1).write_csv(tmp_path / "events.csv")
    events = RequestEvents.of(tmp_path / "events.csv", ["007"], torch.tensor([1]), log)
    assert (events.items.tolist(), events.batch["event"].tolist()) == ([1], [1])
