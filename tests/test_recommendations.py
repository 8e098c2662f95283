from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from motet import recommendations
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError
from motet.recommendations import check_writable, recommend_table, write
from motet.recommender import Recommender
from untrained import untrained


def shop(item: str = "title") -> EventLog:
    rows = [(customer, f"film {number}", 3) for customer in (7, 3, 5) for number in range(1, customer)]
    return EventLog.read(
        pl.DataFrame(rows, schema=["customer", item, "stars"], orient="row"),
        Schema(user="customer", item=item, signals=("stars",)),
    )


@pytest.fixture
def recommender() -> Recommender:
    return untrained(shop())


def test_rows_are_those_of_recommend(recommender: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommendations, "BLOCK", 2)
    users = [7, 3, 99, 5]
    table = recommend_table(recommender, users, 4, by={"stars": 1.0}, progress=False)
    assert table.columns == ["customer", "rank", "title", "score", "score_retrieval", "score_stars", "basis"]
    expected = []
    for user in users:
        top = recommender.recommend(user, 4, by={"stars": 1.0})
        parts = pl.DataFrame([top.ids.tolist(), *(part.tolist() for part in (top.scores, *top.tasks.values()))]).rows()
        expected += [(user, rank, *part, str(top.basis)) for rank, part in enumerate(parts, 1)]
    assert len({row[0] for row in expected}) == 3  # user 7 has seen every film
    assert [row[:3] for row in table.rows()] == [row[:3] for row in expected]
    for column in range(3, 6):
        assert table.to_series(column).to_list() == pytest.approx([row[column] for row in expected], rel=1e-5)
    assert table["basis"].to_list() == [row[-1] for row in expected]


def test_everyone_by_default(recommender: Recommender) -> None:
    table = recommend_table(recommender, k=6, exclude_seen=False, progress=False)
    assert table["customer"].unique(maintain_order=True).to_list() == [3, 5, 7]
    assert table["rank"].to_list() == [1, 2, 3, 4, 5, 6] * 3


def test_nobody_is_an_empty_table(recommender: Recommender) -> None:
    everyone = recommend_table(recommender, k=2, progress=False)
    for nobody in (pl.Series([], dtype=pl.Int64), []):
        assert recommend_table(recommender, nobody, 2, progress=False).equals(everyone.clear())
        assert recommend_table(recommender, nobody, 2, progress=False).schema == everyone.schema


def test_two_columns_of_one_name() -> None:
    with pytest.raises(ConfigError, match=r"two columns 'rank': .* rename the id column of the log"):
        recommend_table(untrained(shop("rank")))


@pytest.mark.parametrize("suffix", recommendations.WRITERS)
def test_formats(suffix: str, recommender: Recommender, tmp_path: Path) -> None:
    file = tmp_path / f"lists{suffix}"
    table = recommend_table(recommender, k=2, progress=False)
    check_writable(file)
    write(table, file)
    read = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".arrow": pl.read_ipc}[suffix](file)
    ids = ["customer", "rank", "title"]
    assert read.select(ids).rows() == table.select(ids).rows()
    for older in (table, table.clear()):
        write(older, file)
        check_writable(file)  # lists of yesterday may be replaced


def test_where_a_table_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'lists.xlsx' has the type '.xlsx'; .* \.parquet, \.csv, \.arrow"):
        check_writable(tmp_path / "lists.xlsx")
    with pytest.raises(ConfigError, match=r"there is no folder .*/away to write lists.csv into; make it first"):
        check_writable(tmp_path / "away" / "lists.csv")
    for content in ("user,item,time\n1,2,3\n", ""):
        (tmp_path / "log.csv").write_text(content)
        with pytest.raises(ConfigError, match=r"log.csv holds something other than recommendations, and they would re"):
            check_writable(tmp_path / "log.csv")
    for name in ("manifest.json", "model.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match=r"lists.csv': '.*' holds a saved model, which another file would damage"):
        check_writable(tmp_path / "lists.csv")


def test_a_full_disk_keeps_the_lists_of_yesterday(tmp_path: Path) -> None:
    file = tmp_path / "lists.csv"
    file.write_text("yesterday")
    code = (
        "import polars as pl; from pathlib import Path; from motet.recommendations import write;"
        f"write(pl.DataFrame({{'a': range(100_000)}}), Path({str(file)!r}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, 1 << 14)),
    )
    assert "could not write" in ran.stderr
    assert "an existing file is untouched" in ran.stderr
    assert file.read_text() == "yesterday"
    assert list(tmp_path.iterdir()) == [file]
