"""MovieLens in the file formats of its six releases, as three tables with the same columns."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from motet.errors import DataError

GENRES_100K = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
]

OCCUPATIONS_1M = [
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
]

RATINGS = ("user_id", "movie_id", "rating", "timestamp")
USERS = ("user_id", "gender", "age", "occupation", "zip_code")


class Tables(NamedTuple):
    """One release.

    Attributes:
        ratings: user_id, movie_id, rating (stars, 0.5 to 5), timestamp (seconds since 1970), in the file's order.
        items: movie_id, title, genres (list), year (from the title; null where it has none).
        users: user_id, gender, age (years; in 1M the lowest of a bracket), occupation, zip_code; None from 10M on.
    """

    ratings: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame | None


class Files(NamedTuple):
    """An unpacked folder or a zip, whose files are asked for by their bare names."""

    place: Path
    open: Callable[[str], io.BytesIO | Path | None]


def find(path: Path) -> Files:
    """Look into a folder or a zip; the files may lie in a folder below.

    Args:
        path: Where a release was unpacked, or its zip.

    Returns:
        Its files.

    Raises:
        DataError: If there is nothing there, or it is neither a folder nor a zip.
    """
    if path.is_dir():
        return Files(path, lambda name: next(iter(sorted(path.rglob(name), key=lambda file: len(file.parts))), None))
    if not path.exists():
        raise DataError(f"there is nothing at {path}; give the folder in which MovieLens was unpacked, or its zip")
    if not zipfile.is_zipfile(path):
        raise DataError(
            f"{path.name} is neither a folder nor a zip; give the folder of the unpacked release, or its zip"
        )
    return Files(path, lambda name: _member(path, name))


def _member(path: Path, name: str) -> io.BytesIO | None:
    with zipfile.ZipFile(path) as archive:
        found = sorted(
            (entry for entry in archive.namelist() if Path(entry).name == name), key=lambda entry: entry.count("/")
        )
        return io.BytesIO(archive.read(found[0])) if found else None


def read_tabs(files: Files) -> Tables:
    """The format of 100K: u.data, u.item and u.user, in latin-1."""
    ratings = pl.read_csv(_need(files, "u.data"), separator="\t", has_header=False, new_columns=RATINGS)
    users = _table(files, "u.user", "|", "latin-1")
    names = ("user_id", "age", "gender", "occupation", "zip_code")
    users = users.select(pl.col("values").list.get(at).alias(name) for at, name in enumerate(names))
    items = _table(files, "u.item", "|", "latin-1")
    flags = pl.concat_list(
        pl.when(pl.col("values").list.get(5 + at) == "1").then(pl.lit(genre)) for at, genre in enumerate(GENRES_100K)
    )
    items = items.select(
        movie_id=pl.col("values").list.get(0).cast(pl.Int64),
        title=pl.col("values").list.get(1),
        genres=flags.list.drop_nulls(),
    )
    return Tables(_ratings(ratings), _items(items), _users(users))


def read_colons(files: Files) -> Tables:
    """The format of 1M and 10M: ratings.dat, movies.dat and, in 1M, users.dat, with :: between the values."""
    # Polars separates by one byte: every other column is the empty text between two colons.
    raw = pl.read_csv(_need(files, "ratings.dat"), separator=":", has_header=False, columns=[0, 2, 4, 6])
    items = _table(files, "movies.dat", "::", None).select(
        movie_id=pl.col("values").list.get(0).cast(pl.Int64),
        title=pl.col("values").list.get(1),
        genres=_genres(pl.col("values").list.get(2)),
    )
    users = None
    if files.open("users.dat") is not None:
        users = _table(files, "users.dat", "::", "latin-1")
        users = users.select(pl.col("values").list.get(at).alias(name) for at, name in enumerate(USERS))
        codes = {str(code): name for code, name in enumerate(OCCUPATIONS_1M)}
        users = _users(users.with_columns(pl.col("occupation").replace(codes)))
    return Tables(_ratings(raw.rename(dict(zip(raw.columns, RATINGS, strict=True)))), _items(items), users)


def read_csv(files: Files) -> Tables:
    """The format of 20M, 25M and 32M: ratings.csv and movies.csv, with headers, in UTF-8."""
    raw = pl.read_csv(_need(files, "ratings.csv"), columns=["userId", "movieId", "rating", "timestamp"])
    items = pl.read_csv(_need(files, "movies.csv"), schema_overrides={"title": pl.String, "genres": pl.String})
    items = items.select(movie_id="movieId", title="title", genres=_genres(pl.col("genres")))
    return Tables(_ratings(raw.rename({"userId": "user_id", "movieId": "movie_id"})), _items(items), None)


def read_parquet(folder: Path) -> Tables:
    """The 100K release as a published package carries it: one Parquet file a table, genres as flags."""
    ratings = pl.read_parquet(folder / "ratings.parquet")
    items = pl.read_parquet(folder / "items.parquet")
    flags = pl.concat_list(pl.when(pl.col(genre) == 1).then(pl.lit(genre)) for genre in GENRES_100K)
    items = items.select("movie_id", title="movie_title", genres=flags.list.drop_nulls())
    return Tables(_ratings(ratings), _items(items), _users(pl.read_parquet(folder / "users.parquet")))


def _need(files: Files, name: str) -> io.BytesIO | Path:
    file = files.open(name)
    if file is None:
        raise DataError(
            f"{name} is not in {files.place.name}; unpack the whole release, and check that the name fits it"
        )
    return file


def _table(files: Files, name: str, separator: str, encoding: str | None) -> pl.DataFrame:
    """A small table that no CSV reader takes, as lists of text."""
    file = _need(files, name)
    raw = file.getvalue() if isinstance(file, io.BytesIO) else file.read_bytes()
    lines = [line for line in _decode(raw, encoding).splitlines() if line]
    return pl.DataFrame({"values": pl.Series(lines, dtype=pl.String).str.split(separator)})


def _decode(raw: bytes, encoding: str | None) -> str:
    """1M is in latin-1 and 10M in UTF-8, under the same file names."""
    if encoding is not None:
        return raw.decode(encoding)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _genres(column: pl.Expr) -> pl.Expr:
    return pl.when(column == "(no genres listed)").then(pl.lit("")).otherwise(column).str.split("|")


def _ratings(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        pl.col("user_id", "movie_id").cast(pl.Int64),
        pl.col("rating").cast(pl.Float32),
        pl.col("timestamp").cast(pl.Int64),
    )


def _items(frame: pl.DataFrame) -> pl.DataFrame:
    # The last year in brackets: a title may go on behind it, "(1995) (V)", or span years, "(1975-1979)".
    year = pl.col("title").str.extract_all(r"\(\d{4}").list.last().str.slice(1).cast(pl.Int64)
    return frame.with_columns(year=year)


def _users(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(USERS).with_columns(pl.col("user_id", "age").cast(pl.Int64))
