"""A small log whose rows repeat users and items, and the batch of all of it."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.schema import Schema


@pytest.fixture
def log() -> EventLog:
    """60 ratings by 8 users of 12 items, every fifth rating unknown."""
    generator = torch.Generator().manual_seed(5)
    rating = torch.randint(1, 6, (60,), generator=generator).tolist()
    events = {
        "user_id": torch.randint(0, 8, (60,), generator=generator).tolist(),
        "item_id": (torch.rand(60, generator=generator) ** 2 * 12).long().tolist(),
        "rating": [None if row % 5 == 0 else value for row, value in enumerate(rating)],
        "weight": torch.rand(60, generator=generator).tolist(),
        "bought": [None if row % 7 == 0 else float(torch.rand(1, generator=generator) < 0.3) for row in range(60)],
    }
    events["clicked"] = [
        1.0 if bought or row % 4 == 0 else float(row % 3 == 0) for row, bought in enumerate(events["bought"])
    ]
    return EventLog.read(pl.DataFrame(events), Schema(signals=("rating", "weight", "bought", "clicked")))


@pytest.fixture
def open_log(log: EventLog) -> EventLog:
    """The same, and the users of every fourth row are unknown, as `encode` reads them."""
    unknown = torch.arange(len(log)) % 4 == 0
    return replace(log, columns={**log.columns, "user_id": log.columns["user_id"].masked_fill(unknown, 0)})
