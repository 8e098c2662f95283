from __future__ import annotations

import math

import polars as pl
import pytest
import torch

from motet.baselines import GlobalMean, Popularity
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError


@pytest.fixture
def log() -> EventLog:
    events = {"user_id": [1, 1, 1, 2, 2, 3], "item_id": ["a", "b", "c", "b", "c", "c"], "rating": [1, 2, 3, 4, 5, None]}
    return EventLog.read(pl.DataFrame(events), Schema(signals=("rating",)), items=pl.DataFrame({"item_id": [*"abcd"]}))


def test_shorter_lines_are_filled_up(log: EventLog) -> None:
    top = Popularity(log).recommend([1, 3], k=3)
    assert top.ids.tolist() == [["d", None, None], ["b", "a", "d"]]
    assert top.scores[0].tolist() == [0, -math.inf, -math.inf]
    assert top.tasks["popularity"].isnan().tolist() == [[False, True, True], [False, False, False]]


def test_blocks_of_users_are_joined(log: EventLog) -> None:
    many = Popularity(log).recommend([1, 2, 3] * 500, k=2)
    assert many.ids.tolist() == Popularity(log).recommend([1, 2, 3], k=2).ids.tolist() * 500


def test_what_other_unknown_users_had_is_not_seen(log: EventLog) -> None:
    rows = log.encode(pl.DataFrame({"user_id": [1, 98, 97], "item_id": ["a", "a", "b"]}))
    assert Popularity(rows).recommend(99, k=2).ids.tolist() == ["a", "b"]
    assert Popularity(rows).recommend(1, k=2).ids.tolist()[0] == "b"


def test_nobody_gets_nothing(log: EventLog) -> None:
    assert Popularity(log).recommend([], k=2).ids.shape == (0, 0)


def test_pairs(log: EventLog) -> None:
    rule = Popularity(log)
    assert rule.predict(1, "c")["popularity"].shape == ()
    assert rule.predict(1, ["a", "b", "c"])["popularity"].tolist() == [1, 2, 3]
    assert rule.predict([1, 99], "c")["popularity"].tolist() == [3, 3]
    assert rule.predict([1, 2], ["a", "c"])["popularity"].tolist() == [1, 3]


@pytest.mark.parametrize("k", [0, 5])
def test_k_out_of_range_is_refused(log: EventLog, k: int) -> None:
    with pytest.raises(ConfigError, match=f"k={k}; it must be at least 1 and at most 4, the number of items"):
        Popularity(log).recommend(1, k=k)


def test_uneven_pairs_are_refused(log: EventLog) -> None:
    with pytest.raises(ConfigError, match="2 users and 3 items make no pairs; give as many of both, or one of either"):
        Popularity(log).predict([1, 2], ["a", "b", "c"])


def test_unknown_item_is_refused(log: EventLog) -> None:
    with pytest.raises(DataError, match="item 'z' is not among the 4 known items"):
        Popularity(log).recommend(1, k=1, exclude=["z"])


def test_mean_is_that_of_the_rows_with_a_label(log: EventLog) -> None:
    assert GlobalMean(log).scores(torch.tensor([1, 0]), torch.tensor([2, 1])).tolist() == [3, 3]


def test_unknown_signal_is_refused(log: EventLog) -> None:
    with pytest.raises(DataError, match=r"'ratings' is no signal of the log; did you mean 'rating'\? Signals: rating"):
        GlobalMean(log, "ratings")


def test_signal_without_a_value_is_refused(log: EventLog) -> None:
    with pytest.raises(DataError, match="none of 1 training rows has a value of 'rating', so there is no mean"):
        GlobalMean(log.take(slice(5, None)))
