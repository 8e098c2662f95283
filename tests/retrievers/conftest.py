"""A small shop: what was viewed, carted and bought."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.schema import Schema

USERS, ITEMS = 9, 25


@pytest.fixture(scope="session")
def shop() -> EventLog:
    """User 9 and item 25 have no events."""
    generator = torch.Generator().manual_seed(3)
    parts = []
    for kind, rows in (("view", 90), ("cart", 30), ("buy", 25)):
        users, items = (torch.randint(1, size, (rows,), generator=generator).tolist() for size in (USERS, ITEMS))
        parts.append(pl.DataFrame({"user_id": users, "item_id": items, "event": [kind] * rows}))
    sides = (pl.DataFrame({key: range(1, size + 1)}) for key, size in (("user_id", USERS), ("item_id", ITEMS)))
    users, items = sides
    return EventLog.read(pl.concat(parts), Schema(event="event"), users=users, items=items)
