"""Items with one feature of every kind."""

from __future__ import annotations

import polars as pl
import pytest

from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.data.schema import Categorical, MultiValued, Numeric, Schema, Text, Timestamp

KINDS = {
    "genres": MultiValued(),
    "studio": Categorical(),
    "title": Text(),
    "year": Numeric(),
    "released": Timestamp(),
}


@pytest.fixture
def log() -> EventLog:
    """Items 1 to 5; item 4 has nothing but its id, and item 5 is in no event."""
    items = pl.DataFrame(
        {
            "item_id": [1, 2, 3, 4, 5],
            "genres": ["a|b|c", "b", "a|c", None, "a"],
            "studio": ["x", "y", "x", None, "y"],
            "title": ["one two", "two", "three one", None, "four"],
            "year": [1990.0, 2000.0, 1995.0, None, 9999.0],
            "released": [0, 864_000, 1_000_000, None, 5_000_000],
        }
    )
    events = pl.DataFrame(
        {
            "user_id": [1, 1, 2, 2],
            "item_id": [1, 2, 3, 4],
            "device": ["tv", "phone", None, "tv"],
            "price": [1.0, 3.0, None, 5.0],
            "shown": [100, 90_000, 200_000, None],
        }
    )
    context = {"device": Categorical(), "price": Numeric(), "shown": Timestamp()}
    return EventLog.read(events, Schema(item_features=KINDS, context_features=context), items=items)


@pytest.fixture
def items(log: EventLog) -> Entities:
    return log.items
