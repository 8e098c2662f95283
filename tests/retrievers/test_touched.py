"""Touched: what the user looked at."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch

from motet.data.log import EventLog
from motet.data.request_events import RequestEvents
from motet.retrievers import Touched
from motet.scorer import Askers
from motet.testing import check_retriever


def ask(shop: EventLog, rows: list[int], extra: object = None) -> Askers:
    """Users by their rows, who are called by their places in the question."""
    users, places = torch.tensor(rows), [*range(len(rows))]
    events = RequestEvents.of(extra, places, users, shop)
    nothing = [torch.zeros(0, dtype=torch.int64)] * len(rows)
    return Askers(users, torch.zeros(len(rows), 4), nothing, events, np.full(len(rows), "known", dtype=object))


def test_every_touched_item_is_found_once(shop: EventLog) -> None:
    retriever = Touched("event != 'buy'")
    retriever.prepare(shop)
    found = retriever.find(ask(shop, [3, 0, 9, 3, 1]), most=1)
    assert found.scores is None
    touched = shop.frame().filter(pl.col("event") != "buy")
    for row, line in zip([3, 0, 9, 3, 1], found.rows, strict=True):
        items = line[line > 0]
        expected = touched.filter(pl.col("user_id") == row)["item_id"].unique().to_list()
        assert sorted(shop.items.vocab.decode(items).to_list()) == sorted(expected)


def test_so_are_those_of_the_request(shop: EventLog) -> None:
    retriever = Touched("event != 'buy'")
    retriever.prepare(shop)
    extra = pl.DataFrame({"user_id": [1, 1, 1, 1], "item_id": [25, 24, 23, 25], "event": ["view", "buy", None, "cart"]})
    found = retriever.find(ask(shop, [3, 0], extra), most=1)
    assert found.rows[1][found.rows[1] > 0].tolist() == [23, 25]
    assert torch.equal(found.rows[0], retriever.find(ask(shop, [3]), most=1).rows[0])


def test_keeps_the_contract(shop: EventLog) -> None:
    check_retriever(lambda: Touched("event != 'buy'", by="bought"), shop)
