from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather

from motet.data.sources import open_file, open_frame
from motet.errors import DataError

FRAME = pl.DataFrame({"user": ["a", "b"], "item": [1, 2], "stars": [4.5, None]})


def write_stream(frame: pl.DataFrame, path: Path) -> None:
    frame.write_ipc_stream(path)


def write_tsv(frame: pl.DataFrame, path: Path) -> None:
    frame.write_csv(path, separator="\t")


def write_feather(frame: pl.DataFrame, path: Path) -> None:
    feather.write_feather(frame.to_arrow(), str(path))


WRITERS: list[tuple[str, Callable[[pl.DataFrame, Path], Any]]] = [
    ("log.parquet", pl.DataFrame.write_parquet),
    ("log.csv", pl.DataFrame.write_csv),
    ("LOG.CSV", pl.DataFrame.write_csv),
    ("log.tsv", write_tsv),
    ("log.arrow", pl.DataFrame.write_ipc),
    ("log.ipc", write_stream),
    ("log.feather", write_feather),
]


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_every_file_type(tmp_path: Path, name: str, write: Callable[[pl.DataFrame, Path], Any]) -> None:
    write(FRAME, tmp_path / name)
    source = open_file(tmp_path / name)
    assert source.columns == ("user", "item", "stars")
    assert source.read(["item", "stars"]).collect().equals(FRAME.select("item", "stars"))


@pytest.mark.parametrize(
    "convert",
    [
        pl.DataFrame.lazy,
        pl.DataFrame.to_arrow,
        pl.DataFrame.to_pandas,
        lambda frame: frame.to_pandas(use_pyarrow_extension_array=True),
        lambda frame: pa.RecordBatchReader.from_batches(frame.to_arrow().schema, frame.to_arrow().to_batches()),
    ],
    ids=["polars lazy", "arrow", "pandas", "pandas on arrow", "arrow stream"],
)
def test_every_frame(convert: Callable[[pl.DataFrame], Any]) -> None:
    source = open_frame(convert(FRAME), "the log")
    assert source.columns == ("user", "item", "stars")
    assert source.read(["user", "item", "stars"]).collect().equals(FRAME)


def test_csv_types_follow_the_whole_column(tmp_path: Path) -> None:
    rows = [str(number) for number in range(12_000)] + ["twelve"]
    (tmp_path / "log.csv").write_text("n\n" + "\n".join(rows))
    assert open_file(tmp_path / "log.csv").read(["n"]).collect()["n"].to_list() == rows


def test_csv_columns_can_be_kept_as_text(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("zip,n\n00501,1\n")
    frame = open_file(tmp_path / "users.csv", text=["zip", "elsewhere"]).read(["zip", "n"]).collect()
    assert frame.row(0) == ("00501", 1)


def test_csv_ids_that_start_with_0_are_text(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,hour,stars\n007,10,07,1\n7,5,08,2\n")
    source = open_file(tmp_path / "log.csv", codes=["user", "item", "elsewhere"])
    assert source.read(["user", "item", "hour"]).collect().rows() == [("007", 10, 7), ("7", 5, 8)]
    assert source.read(["item", "stars"]).collect().rows() == [(10, 1), (5, 2)]


def test_lazy_plan_is_read_once() -> None:
    calls = []

    def count(frame: pl.DataFrame) -> pl.DataFrame:
        calls.append(frame)
        return frame

    lazy = open_frame(FRAME.lazy().map_batches(count), "the log").read(["user", "item"])
    assert lazy.select("user").collect().height == lazy.select("item").collect().height == 2
    assert len(calls) == 1


def test_pandas_missing_values_become_null() -> None:
    frame = pd.DataFrame({"n": [1.0, float("nan")], "s": ["a", None]})
    read = open_frame(frame, "the log").read(["n", "s"]).collect()
    assert read.rows() == [(1.0, "a"), (None, None)]


def test_refuses_files(tmp_path: Path) -> None:
    (tmp_path / "log.xlsx").write_bytes(b"")
    with pytest.raises(DataError, match=r"log.xlsx has the unsupported type '.xlsx'; supported: .parquet, .csv, .tsv"):
        open_file(tmp_path / "log.xlsx")


def test_refuses_what_is_no_table() -> None:
    with pytest.raises(
        DataError, match=r"the log is of type dict; give a path \(.parquet, .*\), a pattern .*, or a Polars"
    ):
        open_frame({"user": [1]}, "the log")


def test_refuses_pandas_columns_of_mixed_type() -> None:
    frame = pd.DataFrame({"item": [1, "two", 3]})
    with pytest.raises(
        DataError, match=r"column 'item' of the log mixes types: 1 is int, but 'two' in row 1 \(counted"
    ):
        open_frame(frame, "the log").read(["item"])
    for values, words in ((["a", float("nan"), 3], "'a' is str, but 3 in row 2"), ([1, 2**70], "objects of type int")):
        with pytest.raises(DataError, match=words):
            open_frame(pd.DataFrame({"item": pd.Series(values, dtype=object)}), "the log").read(["item"])
    some: list[Any] = [["a", pd.NA, 3], [np.array([1, 2]), "a"], [1j, 2j]]
    for values, words in zip(some, ("but 3 in row 2", "but 'a' in row 1", "type complex"), strict=True):
        with pytest.raises(DataError, match=words):
            open_frame(pd.DataFrame({"item": pd.Series(values)}), "the log").read(["item"])
    twice = pd.DataFrame([[1, 2]], columns=["item", "item"])
    with pytest.raises(DataError, match="the log has two columns of the same name; columns: item, item"):
        open_frame(twice, "the log")


def test_pandas_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("pa.Table requires 'pyarrow' module to be installed")

    monkeypatch.setattr(pl, "from_pandas", without)
    with pytest.raises(
        DataError, match="column 'a' of the log is a pandas column, which needs pyarrow to be read: pip"
    ):
        open_frame(pd.DataFrame({"a": [1]}), "the log").read(["a"])


def test_pandas_and_pyarrow_are_not_imported_for_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FRAME.write_csv(tmp_path / "log.csv")
    real = builtins.__import__

    def guarded(name: str, *rest: Any, **named: Any) -> Any:
        assert name.partition(".")[0] not in {"pandas", "pyarrow"}
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", guarded)
    assert open_file(tmp_path / "log.csv").read(["user"]).collect().height == 2
