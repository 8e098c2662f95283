from __future__ import annotations

import polars as pl
import pytest
import torch

from motet.baselines import Popularity
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError
from motet.tasks import Rows

DAY_S = 86_400


@pytest.fixture
def log() -> EventLog:
    """Item a was popular long ago, item b is now."""
    events = {"user_id": [1, 2, 3, 4, 5], "item_id": [*"aaabb"], "time": [day * DAY_S for day in (0, 1, 2, 9, 10)]}
    return EventLog.read(pl.DataFrame(events), Schema(time="time"))


def test_all_time_and_of_late(log: EventLog) -> None:
    assert Popularity(log).popularity.tolist() == [0, 3, 2]
    assert Popularity(log, window_days=5).popularity.tolist() == [0, 0, 2]
    faded = Popularity(log, where=Rows(half_life_days=1)).popularity
    assert faded.tolist() == pytest.approx([0, 2**-10 + 2**-9 + 2**-8, 1.5])


def test_window_ends_with_the_log(log: EventLog) -> None:
    assert Popularity(log, window_days=8.5).popularity.tolist() == [0, 1, 2]
    assert Popularity(log, window_days=100).popularity.tolist() == Popularity(log).popularity.tolist()


def test_weights_count() -> None:
    events = pl.DataFrame({"user_id": [1, 2, 3, 4], "item_id": [*"abba"], "minutes": [5.0, 3.0, 4.0, None]})
    log = EventLog.read(events, Schema(signals=("minutes",)))
    assert Popularity(log, where=Rows(weight="minutes")).popularity.tolist() == [0, 5, 7]


def test_everyone_gets_the_same(log: EventLog) -> None:
    scores = Popularity(log).scores(torch.arange(6)[:, None], torch.tensor([2, 1]))
    assert (scores == torch.tensor([2.0, 3.0])).all()


def test_window_that_holds_nothing_is_refused(log: EventLog) -> None:
    with pytest.raises(ConfigError, match="window_days=0; it must be above 0, or None for all events"):
        Popularity(log, window_days=0)


def test_window_needs_a_time() -> None:
    log = EventLog.read(pl.DataFrame({"user_id": [1], "item_id": ["a"]}), Schema())
    with pytest.raises(DataError, match="window_days=7 needs the time of events; give the schema its time column"):
        Popularity(log, window_days=7)
