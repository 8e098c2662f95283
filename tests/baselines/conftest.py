"""What the tests of baselines share."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.schema import Schema


@pytest.fixture(scope="package")
def tastes() -> EventLog:
    """Two tastes: users 1 to 30 have items of 1 to 10, users 31 to 60 of 11 to 20; ratings say how much.

    Each has 6 of the 10 items, one more item (21) is had by all, and item 22 by nobody.
    """
    draw = torch.Generator().manual_seed(0)
    rows = []
    for user in range(1, 61):
        taste = user > 30
        own = (torch.randperm(10, generator=draw)[:6] + 1 + 10 * taste).tolist()
        rows += [(user, item, 5.0 - (item % 3) - (user % 2), day) for day, item in enumerate([*own, 21])]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "rating", "day"], orient="row")
    events = events.with_columns(time=pl.col("day") * 86_400, kind=pl.when(pl.col("day") < 4).then(1).otherwise(2))
    schema = Schema(time="time", signals=("rating", "kind"))
    return EventLog.read(events, schema, items=pl.DataFrame({"item_id": [*range(1, 23)]}))
