from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from motet.data.files import files_of, open_path
from motet.data.log import EventLog
from motet.data.schema import Categorical, Schema
from motet.data.table import Table
from motet.errors import DataError

FRAME = pl.DataFrame({"user": ["a", "b", "a"], "item": [1, 2, 3], "stars": [4.5, None, 1.0]})
Write = Callable[[pl.DataFrame, Path], Any]
WRITERS = [
    (".csv", pl.DataFrame.write_csv),
    (".parquet", pl.DataFrame.write_parquet),
    (".arrow", pl.DataFrame.write_ipc),
]


def write_months(folder: Path, *texts: str) -> Path:
    """CSV files and the pattern of their names."""
    for month, text in enumerate(texts, 1):
        (folder / f"orders-{month:02}.csv").write_text(text)
    return folder / "orders-*.csv"


@pytest.mark.parametrize(("suffix", "write"), WRITERS)
def test_files_of_a_pattern_are_one_table_in_the_order_of_their_names(
    tmp_path: Path, suffix: str, write: Write
) -> None:
    for row in (2, 0, 1):
        write(FRAME[row : row + 1], tmp_path / f"orders-{row}{suffix}")
    write(FRAME, tmp_path / f"returns{suffix}")
    source = open_path(tmp_path / f"orders-?{suffix}")
    assert source.columns == ("user", "item", "stars")
    assert source.read(["item", "stars"]).collect().equals(FRAME.select("item", "stars"))


def test_folder_of_parquet_files_in_order(tmp_path: Path) -> None:
    for at, day in enumerate(("2024-01", "2024-02")):
        (tmp_path / day).mkdir()
        FRAME[at : at + 1].write_parquet(tmp_path / day / "part.parquet")
    for path in (tmp_path, tmp_path / "**" / "*.parquet", tmp_path / "2024-*" / "part.parquet"):
        assert open_path(path).read(["user"]).collect()["user"].to_list() == ["a", "b"]


def test_a_folder_without_what_spark_has_not_finished(tmp_path: Path) -> None:
    for name in (
        "part-0.parquet",
        "_temporary/0/part-0.parquet",
        "_delta_log/1.checkpoint.parquet",
        "._part-0.parquet",
    ):
        (tmp_path / "_log" / name).parent.mkdir(parents=True, exist_ok=True)
        FRAME.write_parquet(tmp_path / "_log" / name)
    assert files_of(tmp_path / "_log") == [tmp_path / "_log" / "part-0.parquet"]


def test_what_exists_is_no_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "shop [old]"
    folder.mkdir()
    for name in ("log[1].csv", "log1.csv", ".log2.csv"):
        (folder / name).write_text("user\n")
    assert files_of(folder / "log[1].csv") == [folder / "log[1].csv"]
    assert files_of(folder / "log?.csv") == [folder / "log1.csv"]
    assert files_of(folder / "log[2].csv") == files_of(folder / "log2.csv") == []


@pytest.mark.parametrize(
    ("months", "expected"),
    [
        (("id\n1\n", "id\nA2\n"), ["1", "A2"]),
        (("id\n7\n", "id\n007\n"), ["7", "007"]),
        (("id\n1.50\n", "id\nx\n"), ["1.50", "x"]),
        (("id\n1\n", "id\n2.5\n"), [1.0, 2.5]),
        (("id,n\n,1\n", "id,n\n2,2\n"), [None, 2]),
        (("id\n", "id\n2\n"), [2]),
        (('id,n\n"",1\n', "id,n\n,2\n"), [None, None]),
        (('id,n\n"1","3"\n', 'id,n\n"",""\n'), [1, None]),
    ],
    ids=["text", "zeros", "as written", "decimals", "empty column", "no rows", "empty columns", "all quoted"],
)
def test_csv_files_have_the_types_of_one_file(tmp_path: Path, months: tuple[str, str], expected: list[Any]) -> None:
    pattern = write_months(tmp_path, *months)
    found = open_path(pattern, codes=["id"]).read(["id"]).collect()
    whole = tmp_path / "whole.csv"
    whole.write_text(months[0] + months[1].split("\n", 1)[1])
    assert found.equals(open_path(whole, codes=["id"]).read(["id"]).collect())
    assert found["id"].to_list() == expected


def test_parquet_columns_without_a_value_take_the_type_of_the_others(tmp_path: Path) -> None:
    empty: list[Any] = [[None], pl.Series([None], dtype=pl.String), pl.Series([5], dtype=pl.Int16)]
    for row, values in enumerate([*empty, [6.5]]):
        pl.DataFrame({"n": values}).write_parquet(tmp_path / f"{row}.parquet")
    assert open_path(tmp_path).read(["n"]).collect()["n"].to_list() == [None, None, 5.0, 6.5]


def test_lists_go_together_as_their_values_do(tmp_path: Path) -> None:
    some: list[Any] = [[["a"]], [[]], pl.Series([["b"]], dtype=pl.List(pl.Categorical)), [None]]
    for row, values in enumerate(some):
        pl.DataFrame({"tags": values}).write_parquet(tmp_path / f"{row}.parquet")
    assert open_path(tmp_path).read(["tags"]).collect()["tags"].to_list() == [["a"], [], ["b"], None]


def test_a_log_of_several_files_is_the_log_of_one(tmp_path: Path) -> None:
    schema = Schema(user="user", item="item", signals=("stars",), item_features={"kind": Categorical()})
    for name, rows in (("events-1.csv", slice(0, 2)), ("events-2.csv", slice(2, 3))):
        FRAME[rows].write_csv(tmp_path / name)
    kinds = pl.DataFrame({"item": [3, 2, 1], "kind": ["x", "y", "x"]})
    kinds[:1].write_parquet(tmp_path / "items-1.parquet")
    kinds[1:].write_parquet(tmp_path / "items-2.parquet")
    log = EventLog.read(str(tmp_path / "events-*.csv"), schema, items=tmp_path / "items-*.parquet")
    whole = EventLog.read(FRAME, schema, items=kinds)
    assert log.items.table.equals(whole.items.table)
    for name, column in log.columns.items():
        assert torch.equal(column.nan_to_num(-1), whole.columns[name].nan_to_num(-1))


def test_refuses_what_matches_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file matches .*orders-\*.csv$"):
        open_path(tmp_path / "elsewhere" / "orders-*.csv")
    with pytest.raises(DataError, match=r"there is no file .*log.csv$"):
        open_path(tmp_path / "log.csv")
    (tmp_path / "logs.csv").mkdir()
    with pytest.raises(DataError, match=r"there is no file .*log.csv; did you mean 'logs.csv'\?$"):
        open_path(tmp_path / "log.csv")
    (tmp_path / "logs.csv").rmdir()
    with pytest.raises(DataError, match=r"the folder .* has no .parquet file in it; .* a pattern such as '.*\*.csv'$"):
        open_path(tmp_path)


def test_refuses_files_that_do_not_go_together(tmp_path: Path) -> None:
    pattern = write_months(tmp_path, "user,item\na,1\n", "user,item,coupon\nb,2,x\n")
    assert open_path(pattern).read(["user", "item"]).collect().height == 2
    with pytest.raises(DataError, match=r"column 'coupon' is in orders-02.csv but not in orders-01.csv; files that .*"):
        Table.open(pattern, "the log")
    (tmp_path / "orders-03.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"orders-\* matches orders-01.csv and orders-03.parquet; .*, as in '\*.csv'"):
        open_path(tmp_path / "orders-*")
    for name, values in (("1", ["a"]), ("2", [None]), ("3", [date(2024, 1, 1)])):
        pl.DataFrame({"day": values}).write_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match=r"column 'day' holds text in 1.parquet but times in 3.parquet; files that are"):
        open_path(tmp_path / "[0-9].parquet").read(["day"])
    pl.DataFrame({"day": pl.Series([datetime(2024, 1, 1, tzinfo=UTC)])}).write_parquet(tmp_path / "4.parquet")
    with pytest.raises(DataError, match=r"holds times in 3.parquet but times in the zone UTC in 4.parquet; files that"):
        open_path(tmp_path / "[34].parquet").read(["day"])


def test_errors_name_the_file(tmp_path: Path) -> None:
    pattern = write_months(tmp_path, "user,item\na,1\nb,2\n", "user,item\nb,1\n,3\n")
    schema = Schema(user="user", item="item")
    with pytest.raises(
        DataError, match=r"column 'user' of orders-\*.csv has no id .* in row 1 of orders-02.csv \(count"
    ):
        EventLog.read(pattern, schema)
    users = write_months(tmp_path, "user\na\nb\n", "user\nc\na\n")
    with pytest.raises(DataError, match=r"in row 0 of orders-01.csv and again in row 1 of orders-02.csv \(counted"):
        EventLog.read(FRAME, schema, users=users)
    with pytest.raises(DataError, match=r"^orders-02.csv is empty: not even column names are in it"):
        EventLog.read(write_months(tmp_path, "user,item\na,1\n", ""), schema)
