"""Rows that no task learns from are counted by the type of their event."""

from __future__ import annotations

import polars as pl
import pytest

from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.project.unread import unread
from motet.tasks import Rating, Retrieval, Task


def log(types: list[str | None]) -> EventLog:
    rows = pl.DataFrame({"user_id": range(len(types)), "item_id": 1, "kind": types, "stars": None})
    return EventLog.read(rows.with_columns(pl.col("stars").cast(pl.Float64)), Schema(event="kind", signals=("stars",)))


def test_other_spellings_and_missing_types_are_counted() -> None:
    found = unread(log(["view", "VIEW", "cart", "VIEW", None]), [Retrieval(positives="kind == 'view'")])
    assert found == "No task learns from 4 of 5 training rows: kind 'VIEW' (2), no kind (1), kind 'cart' (1)."


@pytest.mark.parametrize(
    "tasks",
    [
        [Retrieval(positives="kind == 'view'", negatives="kind == 'cart'")],
        [Retrieval("a", positives="kind == 'view'"), Retrieval("b", positives="kind == 'cart'")],
        [Retrieval(), Rating("stars")],
    ],
)
def test_nothing_is_told_where_every_row_is_read(tasks: list[Task]) -> None:
    assert unread(log(["view", "cart"]), tasks) == ""


def test_a_task_that_lacks_its_columns_reads_nothing() -> None:
    assert "from 1 of 1" in unread(log(["view"]), [Rating("dwell"), Rating("stars")])


def test_many_types_are_cut_short() -> None:
    found = unread(log([f"t{row}" for row in range(8)]), [Retrieval(positives="kind == 't0'")])
    assert found.endswith("kind 't5' (1), 2 more types.")


def test_a_log_without_types_has_nothing_to_count() -> None:
    rows = pl.DataFrame({"user_id": [1], "item_id": [1]})
    assert unread(EventLog.read(rows, Schema()), [Retrieval()]) == ""
