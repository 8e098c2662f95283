"""chosen: who had what."""

from __future__ import annotations

import polars as pl
import pytest

from motet.data.log import EventLog
from motet.data.schema import Numeric, Schema
from motet.errors import ConfigError, DataError
from motet.retrievers.chosen import chosen


def test_the_rows_of_the_condition_and_no_others(shop: EventLog) -> None:
    frame = shop.frame()
    for where, rows in ((None, frame), ("event != 'view'", frame.filter(pl.col("event") != "view"))):
        history = chosen(shop, where)
        for user, items in rows.group_by("user_id").agg(pl.col("item_id").unique().sort()).iter_rows():
            row = int(shop.users.vocab.encode([user])[0])
            assert history.lines()[row].tolist() == shop.items.vocab.encode(items).sort().values.tolist()


def test_conditions_that_cannot_be_served_are_refused(shop: EventLog) -> None:
    events = pl.DataFrame({"user_id": [1], "item_id": [2], "hour": [3]})
    log = EventLog.read(events, Schema(context_features={"hour": Numeric()}))
    with pytest.raises(ConfigError, match="reads the context 'hour', which is not saved with a model; declare it as a"):
        chosen(log, "hour > 2")
    with pytest.raises(DataError, match="which it never is; did you mean 'buy'"):
        chosen(shop, "event == 'buys'")
