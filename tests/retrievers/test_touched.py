"""Touched: what the user looked at."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch

from motet.data.log import EventLog
from motet.retrievers import Touched
from motet.scorer import Askers
from motet.testing import check_retriever


def ask(rows: list[int], told: list[list[int]] | None = None) -> Askers:
    lines = [torch.tensor(line, dtype=torch.int64) for line in told or [[] for _ in rows]]
    basis = np.full(len(rows), "known", dtype=object)
    return Askers(torch.tensor(rows), torch.zeros(len(rows), 4), lines, lines, basis)


def test_every_touched_item_is_found_once(shop: EventLog) -> None:
    retriever = Touched("event != 'buy'")
    retriever.prepare(shop)
    found = retriever.find(ask([3, 0, 9, 3, 1]), most=1)
    assert found.scores is None
    touched = shop.frame().filter(pl.col("event") != "buy")
    for row, line in zip([3, 0, 9, 3, 1], found.rows, strict=True):
        items = line[line > 0]
        expected = touched.filter(pl.col("user_id") == row)["item_id"].unique().to_list()
        assert sorted(shop.items.vocab.decode(items).to_list()) == sorted(expected)


def test_keeps_the_contract(shop: EventLog) -> None:
    check_retriever(lambda: Touched("event != 'buy'", by="bought"), shop)
