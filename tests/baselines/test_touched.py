from __future__ import annotations

import polars as pl
import pytest
import torch

from motet.baselines import Touched
from motet.data.log import EventLog
from motet.data.schema import Schema

SHOP = [
    (1, "a", "view"),
    (1, "b", "view"),
    (1, "b", "view"),
    (1, "c", "cart"),
    (2, "a", "view"),
    (2, "a", "buy"),
    (2, "d", "view"),
    (3, "b", "view"),
    (3, "b", "buy"),
    (4, "b", "view"),
    (5, "d", "buy"),
    (5, "e", "buy"),
]


@pytest.fixture
def rule() -> Touched:
    events = pl.DataFrame(SHOP, schema=["user_id", "item_id", "event"], orient="row")
    log = EventLog.read(events, Schema(event="event"))
    return Touched(log, "event in ['view', 'cart']", where="event == 'buy'")


def test_conversion_counts_users(rule: Touched) -> None:
    rows = rule.items.vocab.encode(["a", "b", "c", "d", "e"])
    ratio = torch.tensor([1 / 2, 1 / 3, 0, 1, 1])
    assert torch.allclose(rule.conversion[rows], ratio / (1 + ratio))


def test_touched_come_first_each_by_conversion(rule: Touched) -> None:
    assert rule.recommend(1, k=5).ids.tolist() == ["a", "b", "c", "d", "e"]
    assert rule.recommend(2, k=5, exclude_seen=False).ids.tolist() == ["d", "a", "e", "b", "c"]


def test_only_what_was_bought_is_left_out(rule: Touched) -> None:
    assert rule.recommend(2, k=5).ids.tolist() == ["d", "e", "b", "c"]


def test_who_touched_nothing_gets_what_is_bought(rule: Touched) -> None:
    assert rule.recommend(99, k=4).ids.tolist() == ["a", "b", "d", "e"]
    assert rule.recommend(5, k=2).ids.tolist() == ["a", "b"]
