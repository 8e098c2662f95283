from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from motet.data.table import Table
from motet.errors import DataError

RATINGS = pl.DataFrame({"user_id": [1], "movie_id": [2], "rating": [3.0], "time": [4]})


def test_reads_a_column_and_says_where_it_stands(tmp_path: Path) -> None:
    RATINGS.write_parquet(tmp_path / "ratings.parquet")
    table = Table.open(str(tmp_path / "ratings.parquet"), "the log", needs=["rating"])
    assert table.column("rating").to_list() == [3.0]
    assert "time" in table
    assert "times" not in table
    assert str(table.where("rating")) == "column 'rating' of ratings.parquet"


@pytest.mark.parametrize("name", ["ratings.parquet", "ratings.csv"])
def test_missing_column_gets_a_hint_and_the_list(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    RATINGS.write_parquet(path) if path.suffix == ".parquet" else RATINGS.write_csv(path)
    words = (
        r"^column 'movie_ids' is not in ratings\.\w+; did you mean 'movie_id'\? "
        r"Columns: user_id, movie_id, rating, time\.$"
    )
    with pytest.raises(DataError, match=words):
        Table.open(path, "the log", needs=["movie_ids"], wanted=["user_id", "movie_ids"])


def test_a_file_with_other_separators_says_which(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    for sign in ";\t|":
        RATINGS.write_csv(path, separator=sign)
        words = r"Columns: user_id.movie_id.rating.time\. The file separates columns by '.{1,2}': a .csv"
        with pytest.raises(DataError, match=words):
            Table.open(path, "the log", needs=["user_id"])


def test_a_file_in_another_encoding_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes("user_id\nJürgen\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"log.csv cannot be read: .*; save the file in UTF-8$"):
        Table.open(tmp_path / "log.csv", "the log").column("user_id")


def test_missing_column_without_a_likely_name() -> None:
    with pytest.raises(DataError, match=r"^column 'zzz' is not in the log. Columns: user_id, movie_id, rating, time.$"):
        Table.open(RATINGS, "the log", needs=["zzz"])
    with pytest.raises(DataError, match=r"^column 'ratings' is not in the log; did you mean 'rating'"):
        Table.open(RATINGS.to_pandas(), "the log", needs=["ratings"], wanted=["ratings"])


def test_rows_that_were_reordered_are_named_as_in_the_source() -> None:
    place = Table.open(RATINGS, "the log").where("rating", pl.Series([7, 5]))
    assert place.row(1) == "row 5 (counted from 0)"


def test_refuses_a_table_without_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^the log is empty: it needs at least one row below its column names$"):
        Table.open(RATINGS.clear(), "the log")
    (tmp_path / "log.csv").write_text("user_id,movie_id\n")
    with pytest.raises(DataError, match=r"^log.csv is empty: it needs at least one row"):
        Table.open(tmp_path / "log.csv", "the log", wanted=["user_id"])
    (tmp_path / "log.csv").write_text("")
    with pytest.raises(DataError, match=r"^log.csv is empty: not even column names are in it$"):
        Table.open(tmp_path / "log.csv", "the log")


def test_refuses_damaged_files(tmp_path: Path) -> None:
    for name, content in (("log.parquet", b"PAR1 no more"), ("log.arrow", b"ARROW1"), ("log.csv", b'a,b\n"1,2\n3,4,5')):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"^{name} cannot be read: "):
            Table.open(tmp_path / name, "the log")


def test_an_error_of_polars_comes_without_its_hints_at_its_own_arguments(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("a,b\n1,2,3\n")
    with pytest.raises(DataError, match=r"^log.csv cannot be read: found more fields than defined in 'Schema'$"):
        Table.open(tmp_path / "log.csv", "the log")
    (tmp_path / "log.csv").write_text('a,b\n1,"x\n2,y\n')
    with pytest.raises(
        DataError, match=r"\(column number 2\) \(invalid csv file[^`]*`[^`]*` is not properly escaped\.\)$"
    ):
        Table.open(tmp_path / "log.csv", "the log")


def test_a_file_in_which_polars_gets_lost_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def panic(*_: object) -> pl.DataFrame:
        raise pl.exceptions.PanicException("range end out of bounds")

    RATINGS.write_parquet(tmp_path / "ratings.parquet")
    table = Table.open(tmp_path / "ratings.parquet", "the log")
    monkeypatch.setattr(pl.LazyFrame, "collect", panic)
    for read in (lambda: table.column("rating"), lambda: table.rows(pl.Series([0]))):
        with pytest.raises(DataError, match=r"^ratings.parquet cannot be read: range end out of bounds$"):
            read()
