from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
import torch

from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.recent import recent
from motet.data.schema import Categorical, MultiValued, Numeric, Schema, Text, Timestamp
from motet.errors import DataError

SCHEMA = Schema(
    user="user",
    item="film",
    time="at",
    signals=("stars", "seen"),
    user_features={"country": Categorical()},
    item_features={"genres": MultiValued(), "name": Text(), "out": Timestamp()},
    context_features={"device": Categorical(), "price": Numeric()},
)
EVENTS = pl.DataFrame(
    {
        "user": ["eve", "ann", "eve", "bob"],
        "film": [20, 10, 10, 30],
        "at": [4, 3, 2, 1],
        "stars": [5.0, None, 2.5, 1.0],
        "seen": [True, False, True, None],
        "device": ["tv", "phone", None, "tv"],
        "price": [1, 2, None, 4],
        "country": ["nl", "be", "nl", None],
    }
)
FILMS = pl.DataFrame(
    {"film": [40, 20, 10], "genres": ["a|b", "", "b"], "name": ["Up", "Heat", None], "out": ["2009-05-29", None, None]}
)


@pytest.fixture
def log() -> EventLog:
    return EventLog.read(EVENTS, SCHEMA, items=FILMS)


def test_columns_are_tensors(log: EventLog) -> None:
    assert log.columns["user"].tolist() == [3, 1, 3, 2]
    assert log.columns["film"].tolist() == [2, 1, 1, 3]
    assert log.columns["at"].tolist() == [4, 3, 2, 1]
    assert log.columns["device"].tolist() == [2, 1, 0, 2]
    nan = math.nan
    for name, values in (("stars", [5, nan, 2.5, 1]), ("seen", [1, 0, 1, nan]), ("price", [1, 2, nan, 4])):
        torch.testing.assert_close(log.columns[name], torch.tensor(values), equal_nan=True)
    assert list(log.columns) == list(SCHEMA.columns)


def test_sides_cover_log_and_tables(log: EventLog) -> None:
    assert log.users.vocab.ids.to_list() == ["ann", "bob", "eve"]
    assert log.items.vocab.ids.to_list() == [10, 20, 30, 40]
    assert log.users.table["country"].to_list() == ["be", None, "nl"]
    assert list(log.items.features) == ["genres", "name", "out"]
    assert log.vocabs["device"].ids.to_list() == ["phone", "tv"]
    assert repr(log) == "EventLog(4 events, 3 users, 4 items; signals: stars, seen)"


def test_batch_shares_the_columns(log: EventLog) -> None:
    batch = log.batch()
    assert isinstance(batch, Batch)
    assert batch.users is log.columns["user"]
    assert batch.items is log.columns["film"]


@pytest.mark.parametrize("rows", [torch.tensor([2, 0]), torch.tensor([True, False, True, False]), slice(1, 3)])
def test_take_keeps_the_sides(log: EventLog, rows: Any) -> None:
    part = log.take(rows)
    assert len(part) == 2
    assert part.users is log.users
    assert torch.equal(part.columns["at"], log.columns["at"][rows])


def test_take_of_a_slice_is_a_view(log: EventLog) -> None:
    assert log.take(slice(1, 3)).columns["at"].data_ptr() == log.columns["at"][1:].data_ptr()


def test_frame_gives_the_raw_values_back(log: EventLog) -> None:
    frame = log.frame()
    assert frame.columns == list(SCHEMA.columns)
    expected = EVENTS.select(frame.columns).with_columns(pl.col("stars", "seen", "price").cast(pl.Float32))
    assert frame.equals(expected)


def test_encode_reads_against_the_same_rows(log: EventLog) -> None:
    more = EVENTS.drop("country").with_columns(user=pl.lit("new"), device=pl.lit("watch"))
    encoded = log.encode(more)
    assert "; 4 events of unknown users; signals" in repr(encoded)
    assert "unknown" not in repr(log)
    assert encoded.users is log.users
    assert encoded.columns["user"].tolist() == [0] * 4
    assert encoded.columns["device"].tolist() == [0] * 4
    assert torch.equal(encoded.columns["film"], log.columns["film"])
    assert log.encode(EVENTS).frame().equals(log.frame())


def test_encode_takes_one_of_the_logs_that_were_joined() -> None:
    views = pl.DataFrame({"user_id": [1, 2, 3], "item_id": [1, 2, 1], "event": ["view", "buy", "view"]})
    survey = pl.DataFrame({"user_id": [1, 3], "item_id": [2, 2], "nps": [9, 3]})
    joined = EventLog.read(pl.concat([views, survey], how="diagonal_relaxed"), Schema(event="event", signals=("nps",)))
    for source, rows in ((views, slice(0, 3)), (survey, slice(3, 5))):
        read, own = joined.encode(source), joined.take(rows)
        assert read.frame().equals(own.frame().select(list(read.columns)))
    for source, schema in ((survey.drop("nps"), None), (survey, joined.schema)):
        with pytest.raises(DataError, match=r"column 'event' is not in the log"):
            joined.encode(source, schema=schema)


def test_encode_checks_as_read_does(log: EventLog) -> None:
    with pytest.raises(DataError, match="column 'stars' is not in the log"):
        log.encode(EVENTS.drop("stars"))
    with pytest.raises(DataError, match="column 'user' holds whole numbers such as 1, but its known ids are text"):
        log.encode(EVENTS.with_columns(user=1))
    with pytest.raises(DataError, match=r"column 'film' of the log has no id \(null\) in row 0"):
        log.encode(EVENTS.with_columns(film=pl.lit(None, pl.Int64)))


@pytest.mark.parametrize(
    "convert",
    [pl.DataFrame.lazy, pl.DataFrame.to_arrow, pl.DataFrame.to_pandas],
    ids=["polars lazy", "arrow", "pandas"],
)
def test_frames_of_any_kind_read_alike(log: EventLog, convert: Callable[[pl.DataFrame], Any]) -> None:
    other = EventLog.read(convert(EVENTS), SCHEMA, items=convert(FILMS))
    assert other.frame().equals(log.frame())
    assert other.items.table.equals(log.items.table)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "arrow"])
def test_files_of_any_kind_read_alike(log: EventLog, tmp_path: Path, suffix: str) -> None:
    for name, frame in (("log", EVENTS), ("films", FILMS)):
        write = {"parquet": frame.write_parquet, "csv": frame.write_csv, "arrow": frame.write_ipc}[suffix]
        write(tmp_path / f"{name}.{suffix}")
    other = EventLog.read(tmp_path / f"log.{suffix}", SCHEMA, items=str(tmp_path / f"films.{suffix}"))
    assert other.frame().equals(log.frame())
    assert other.items.features["genres"].vocab == log.items.features["genres"].vocab  # type: ignore[union-attr]


def test_the_callers_frame_is_not_shared() -> None:
    numbers = pl.DataFrame({"user_id": [1, 2], "item_id": [1, 2], "x": pl.Series([1.0, 2.0], dtype=pl.Float32)})
    read = EventLog.read(numbers, Schema(signals=("x",)))
    read.columns["x"].zero_()
    assert numbers["x"].to_list() == [1.0, 2.0]


def test_a_schema_of_ids_alone() -> None:
    log = EventLog.read(pl.DataFrame({"user_id": [1], "item_id": [2]}), Schema())
    assert repr(log) == "EventLog(1 events, 1 users, 1 items)"
    assert log.frame().rows() == [(1, 2)]


def refuse(words: str, events: Any = EVENTS, **tables: Any) -> None:
    with pytest.raises(DataError, match=words):
        EventLog.read(events, SCHEMA, **{"items": FILMS, **tables})


def test_refuses_a_missing_or_misspelt_column(tmp_path: Path) -> None:
    EVENTS.rename({"film": "flim"}).write_csv(tmp_path / "log.csv")
    refuse(r"^column 'film' is not in log.csv; did you mean 'flim'\? Columns: user, flim, at, ", tmp_path / "log.csv")


def test_refuses_an_empty_log() -> None:
    refuse("^the log is empty: it needs at least one row", EVENTS.clear())
    refuse("^the item table is empty: it needs at least one row", items=FILMS.clear())


@pytest.mark.parametrize("name", ["stars", "price"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_refuses_numbers_that_are_none(name: str, value: float) -> None:
    bad = EVENTS.with_columns(pl.Series(name, [1.0, 2.0, value, 4.0]))
    refuse(rf"^column '{name}' of the log has {value} in row 2 \(counted from 0\); numbers must be finite", bad)


def test_refuses_infinity_in_pandas() -> None:
    refuse(r"'stars' of the log has inf in row 1", EVENTS.to_pandas().assign(stars=[1.0, math.inf, 1.0, 1.0]))


def test_refuses_ratings_as_text(tmp_path: Path) -> None:
    text = EVENTS.with_columns(stars=pl.Series(["5", "4", "n/a", "3"]))
    refuse(
        r"^column 'stars' of the log holds text, such as 'n/a' in row 2 \(counted from 0\), but numbers are ne", text
    )
    text.write_csv(tmp_path / "log.csv")
    refuse(r"^column 'stars' of log.csv holds text, such as 'n/a' in row 2", tmp_path / "log.csv")


def test_refuses_duplicate_ids_in_a_table() -> None:
    refuse("^column 'film' of the item table has the id 20 in row 1 and again in row 3", items=FILMS[[0, 1, 2, 1]])


def test_refuses_ids_of_mixed_type() -> None:
    mixed = EVENTS.to_pandas()
    mixed["film"] = pd.Series([20, "ten", 10, 30], dtype=object)
    refuse("^column 'film' of the log mixes types: 20 is int, but 'ten' in row 1", mixed)
    refuse(
        "^column 'film' of the item table holds text such as '40', but",
        items=FILMS.with_columns(pl.col("film").cast(str)),
    )


def test_refuses_ids_that_are_none() -> None:
    refuse("^column 'user' of the log holds decimal numbers", EVENTS.with_columns(user=1.5))
    refuse(
        r"^column 'user' of the log has no id \(null\) in row 1",
        EVENTS.with_columns(user=pl.Series(["a", None, "b", "c"])),
    )
    refuse("^column 'film' of the log holds values of type Date", EVENTS.with_columns(film=pl.date(2024, 1, 1)))


def test_refuses_events_without_their_moment() -> None:
    late = EVENTS.with_columns(at=pl.Series([4, None, 2, 1]))
    refuse(r"^column 'at' of the log is null in row 1 \(counted from 0\); every event needs a time", late)
    refuse("^column 'at' of the log has 'soon' in row 0", EVENTS.with_columns(at=pl.lit("soon")))


def test_refuses_a_feature_that_varies() -> None:
    travels = EVENTS.with_columns(country=pl.Series(["nl", "be", "de", None]))
    refuse(
        "^column 'country' of the log is declared in user_features, but user 'eve' has several values, such as 'nl'",
        travels,
    )


def test_refuses_other_files(tmp_path: Path) -> None:
    (tmp_path / "log.xlsx").write_bytes(b"")
    refuse(r"log.xlsx has the unsupported type '.xlsx'", tmp_path / "log.xlsx")
    refuse("the item table is of type list; give a path", items=[1, 2])


def test_a_file_of_another_schema_is_not_called_empty(log: EventLog) -> None:
    with pytest.raises(DataError, match=r"column 'user' is not in the log. Columns: reader, isbn."):
        log.encode(pl.DataFrame({"reader": [1], "isbn": [2]}))


def test_encode_reads_a_file_without_types_in_those_of_the_log(tmp_path: Path) -> None:
    events = {"user": ["007", "x"], "film": [1, 2], "hour": [7, 8], "zone": ["01", "b"]}
    schema = Schema(user="user", item="film", context_features={"hour": Categorical(), "zone": Categorical()})
    log = EventLog.read(pl.DataFrame(events), schema)
    pl.DataFrame(events).head(1).write_csv(tmp_path / "later.csv")
    assert {name: column.tolist() for name, column in log.encode(tmp_path / "later.csv").columns.items()} == {
        "user": [1],
        "film": [1],
        "hour": [1],
        "zone": [1],
    }


def test_padded_ids_of_a_file_stay_apart_and_are_found_in_its_tables(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,film\n007,01\n7,02\n")
    (tmp_path / "films.csv").write_text("film,year\n01,1979\n02,1995\n")
    schema = Schema(user="user", item="film", item_features={"year": Numeric()})
    log = EventLog.read(tmp_path / "log.csv", schema, items=tmp_path / "films.csv")
    assert log.frame().rows() == [("007", "01"), ("7", "02")]
    assert log.items.table["year"].to_list() == [1979, 1995]


def test_frame_keeps_flags() -> None:
    events = pl.DataFrame({"user": ["a", "a"], "film": [1, 2], "at": [1, 2]})
    log = recent(EventLog.read(events, Schema(user="user", item="film", time="at")), 1, where="film == 1")
    assert log.frame()["recent_counts"].to_list() == [True, False]


def test_another_schema_may_read_a_column_as_something_else(tmp_path: Path) -> None:
    schema = Schema(user="user", item="film", context_features={"hour": Categorical(), "zone": Categorical()})
    log = EventLog.read(pl.DataFrame({"user": ["a"], "film": [1], "hour": ["x"], "zone": ["y"]}), schema)
    pl.DataFrame({"user": ["a"], "film": [1], "hour": [7], "zone": [8]}).write_csv(tmp_path / "later.csv")
    other = Schema(user="user", item="film", signals=("zone",), context_features={"hour": Numeric()})
    columns = log.encode(tmp_path / "later.csv", schema=other).columns
    assert (columns["hour"].tolist(), columns["zone"].tolist()) == ([7.0], [8.0])
