"""Alike: the neighbours of what the user had."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.neighbours import Neighbours
from motet.data.request_events import RequestEvents
from motet.errors import ConfigError
from motet.retrievers import Alike
from motet.scorer import Askers
from motet.testing import check_retriever


def neighbours(shop: EventLog) -> Neighbours:
    return Neighbours.of(shop, most=6, shrinkage=1.0)


def ask(shop: EventLog, rows: list[int], added: object = None) -> Askers:
    """Users by their rows, who are called by their places in the question."""
    users, places = torch.tensor(rows), [*range(len(rows))]
    events = RequestEvents.of(added, places, users, shop)
    nothing = [torch.zeros(0, dtype=torch.int64)] * len(rows)
    return Askers(users, torch.zeros(len(rows), 4), nothing, events, np.full(len(rows), "known", dtype=object))


@pytest.mark.parametrize("most", [3, 100])
def test_sums_are_those_of_the_loop(shop: EventLog, most: int) -> None:
    near = neighbours(shop)
    retriever = Alike(near, "event == 'buy'")
    retriever.prepare(shop)
    rows, added = [2, 0, 5, 9], [[], [4, 7], [4, 4], []]
    found = retriever.find(ask(shop, rows, dict(enumerate(added))), most)
    assert found.scores is not None
    bought = shop.frame().filter(pl.col("event") == "buy")
    for row, extra, items, scores in zip(rows, added, found.rows, found.scores, strict=True):
        had = set(bought.filter(pl.col("user_id") == row)["item_id"].to_list()) | set(extra)
        sums = {
            item: sum(float(near.similarity(torch.tensor([one]), torch.tensor([item]))) for one in had)
            for item in range(1, len(shop.items))
        }
        best = sorted((score for score in sums.values() if score), reverse=True)[:most]
        assert scores[items > 0].tolist() == pytest.approx(best)
        assert [sums[item] for item in items[items > 0].tolist()] == pytest.approx(best)


def test_events_of_the_request_obey_the_condition(shop: EventLog) -> None:
    retriever = Alike(neighbours(shop), "event == 'buy'")
    retriever.prepare(shop)
    added = pl.DataFrame({"user_id": [0, 0, 0], "item_id": [4, 7, 9], "event": ["buy", "view", None]})
    found, alone = (retriever.find(ask(shop, [0], each), 100) for each in (added, {0: [4, 9]}))
    assert torch.equal(found.rows, alone.rows)


def test_neighbours_of_other_items_are_refused(shop: EventLog) -> None:
    near = neighbours(shop)._replace(items=9)
    with pytest.raises(ConfigError, match="the neighbours are of 8 items, but the log has 25; build them from this"):
        Alike(near).prepare(shop)


def test_keeps_the_contract(shop: EventLog) -> None:
    check_retriever(lambda: Alike(neighbours(shop), "event == 'buy'"), shop)
