from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from motet.data.movielens import GENRES_100K, Files, read_colons, read_csv, read_parquet, read_tabs
from motet.errors import DataError

FLAGS = "0|1|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0"
TABS = {
    "u.data": "196\t242\t3\t881250949\n22\t2\t1\t878887116\n",
    "u.user": "22|24|M|technician|85711\n196|53|F|other|T8H1N\n",
    "u.item": (
        f"2|Misérables, Les (1995)|01-Jan-1995||http://us.imdb.com/M|{FLAGS}\n242|unknown||||1|{'|'.join(['0'] * 18)}\n"
    ),
}
COLONS_1M = {
    "ratings.dat": "1::1193::5::978300760\n1::661::3::978302109\n",
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072-1234\n",
    "movies.dat": (
        "661::James and the Giant Peach (1996)::Animation|Children's\n1193::L\x92été: A Play\x85 (1975-1979)::Drama\n"
    ),
}
COLONS_10M = {
    "ratings.dat": "".join(f"{user}::122::5::838985046\n" for user in range(150)) + "150::185::3.5::838983525\n",
    "movies.dat": "122::Été (1992)::Comedy|Romance\n185::Net, The::(no genres listed)\n",
}
CSV = {
    "ratings.csv": "userId,movieId,rating,timestamp\n"
    + "".join(f"{user},2,4,1112486027\n" for user in range(150))
    + "150,29,3.5,1112484676\n",
    "movies.csv": 'movieId,title,genres\n2,"Net, The (1995) (V)",Action|Crime\n29,Café,(no genres listed)\n',
    "tags.csv": "userId,movieId,tag,timestamp\n",
}

Place = Callable[[dict[str, str], str], Files]


def in_folder(tmp_path: Path, content: dict[str, str], encoding: str) -> Files:
    for name, text in content.items():
        (tmp_path / "ml").mkdir(exist_ok=True)
        (tmp_path / "ml" / name).write_bytes(text.encode(encoding))
    return Files(tmp_path)


def in_zip(tmp_path: Path, content: dict[str, str], encoding: str) -> Files:
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as archive:
        archive.writestr("ml/", "")
        for name, text in content.items():
            archive.writestr(f"ml/{name}", text.encode(encoding))
            archive.writestr(f"__MACOSX/other/ml/{name}", b"\x00")
    return Files(tmp_path / "ml.zip")


@pytest.fixture(params=[in_folder, in_zip])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return lambda content, encoding: request.param(tmp_path, content, encoding)


def test_100k(place: Place) -> None:
    tables = read_tabs(place(TABS, "latin-1"))
    assert tables.ratings.rows() == [(196, 242, 3.0, 881250949), (22, 2, 1.0, 878887116)]
    assert tables.items.rows() == [
        (2, "Misérables, Les (1995)", ["Action", "Comedy"], 1995),
        (242, "unknown", ["unknown"], None),
    ]
    assert tables.users is not None
    assert tables.users.rows() == [(22, "M", 24, "technician", "85711"), (196, "F", 53, "other", "T8H1N")]


def test_1m(place: Place) -> None:
    tables = read_colons(place(COLONS_1M, "latin-1"))
    assert tables.ratings.rows() == [(1, 1193, 5.0, 978300760), (1, 661, 3.0, 978302109)]
    assert tables.items.rows() == [
        (661, "James and the Giant Peach (1996)", ["Animation", "Children's"], 1996),
        (1193, "L\x92été: A Play\x85 (1975-1979)", ["Drama"], 1975),
    ]
    assert tables.users is not None
    assert tables.users.rows() == [(1, "F", 1, "K-12 student", "48067"), (2, "M", 56, "self-employed", "70072-1234")]


def test_10m(place: Place) -> None:
    tables = read_colons(place(COLONS_10M, "utf-8"))
    assert tables.ratings.height == 151
    assert tables.ratings.row(-1) == (150, 185, 3.5, 838983525)
    assert tables.items.rows() == [(122, "Été (1992)", ["Comedy", "Romance"], 1992), (185, "Net, The", [], None)]
    assert tables.users is None


def test_20m_and_later(place: Place) -> None:
    tables = read_csv(place(CSV, "utf-8"))
    assert tables.ratings.height == 151
    assert tables.ratings.row(-1) == (150, 29, 3.5, 1112484676)
    assert tables.items.rows() == [(2, "Net, The (1995) (V)", ["Action", "Crime"], 1995), (29, "Café", [], None)]
    assert tables.users is None


def test_all_formats_have_the_same_columns(tmp_path: Path) -> None:
    contents = ((TABS, read_tabs), (COLONS_1M, read_colons), (COLONS_10M, read_colons), (CSV, read_csv))
    for at, (content, read) in enumerate(contents):
        (tmp_path / str(at)).mkdir()
        tables = read(in_zip(tmp_path / str(at), content, "latin-1" if at < 2 else "utf-8"))
        assert tables.ratings.schema == {
            "user_id": pl.Int64,
            "movie_id": pl.Int64,
            "rating": pl.Float32,
            "timestamp": pl.Int64,
        }
        assert tables.items.schema == {
            "movie_id": pl.Int64,
            "title": pl.String,
            "genres": pl.List(pl.String),
            "year": pl.Int64,
        }


def test_windows_line_ends(tmp_path: Path) -> None:
    content = {name: text.replace("\n", "\r\n") for name, text in TABS.items()}
    for one, other in zip(
        read_tabs(in_zip(tmp_path, content, "latin-1")), read_tabs(in_folder(tmp_path, TABS, "latin-1")), strict=True
    ):
        assert one is not None
        assert other is not None
        assert one.equals(other)


def test_parquet_of_the_package(tmp_path: Path) -> None:
    tables = read_tabs(in_folder(tmp_path, TABS, "latin-1"))
    tables.ratings.with_columns(pl.col("rating").cast(pl.Int64)).write_parquet(tmp_path / "ratings.parquet")
    assert tables.users is not None
    tables.users.write_parquet(tmp_path / "users.parquet")
    flags = [pl.col("genres").list.contains(genre).cast(pl.Int64).alias(genre) for genre in GENRES_100K]
    tables.items.select("movie_id", pl.col("title").alias("movie_title"), *flags).write_parquet(
        tmp_path / "items.parquet"
    )
    for one, other in zip(read_parquet(tmp_path), tables, strict=True):
        assert one is not None
        assert other is not None
        assert one.equals(other)


def test_refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"there is nothing at .*ml-1m; give the folder in which MovieLens was unpacked"
    ):
        Files(tmp_path / "ml-1m")
    (tmp_path / "ml-1m.zip").write_bytes(b"PK no more")
    with pytest.raises(DataError, match=r"ml-1m.zip is neither a folder nor a zip; give the folder"):
        Files(tmp_path / "ml-1m.zip")


def test_refuses_another_release(place: Place) -> None:
    with pytest.raises(
        DataError, match=r"u.data is not in .*; unpack the whole release, and check that it is the one you na"
    ):
        read_tabs(place(CSV, "utf-8"))
