"""Readers for the file formats of the six MovieLens releases; each gives three tables with the same columns."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
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

RATINGS: dict[str, type[pl.DataType]] = {
    "user_id": pl.Int64,
    "movie_id": pl.Int64,
    "rating": pl.Float32,
    "timestamp": pl.Int64,
}
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


class Files:
    """The files of a folder or a zip file, looked up by bare name in any subfolder.

    Args:
        place: The folder of an unpacked release, or its zip file.

    Raises:
        DataError: If the path does not exist, or is neither a folder nor a zip file.
    """

    def __init__(self, place: Path) -> None:
        fix = "give the folder in which MovieLens was unpacked, or its zip"
        if not place.exists():
            raise DataError(f"there is nothing at {place}; {fix}")
        if not place.is_dir() and not zipfile.is_zipfile(place):
            raise DataError(f"{place.name} is neither a folder nor a zip; {fix}")
        self.place = place

    def find(self, name: str) -> bytes | Path | None:
        """Find a file.

        Args:
            name: File name.

        Returns:
            Its path in a folder, its content in a zip file; None if there is no such file.
        """
        if self.place.is_dir():
            return min(self.place.rglob(name), key=lambda file: len(file.parts), default=None)
        with zipfile.ZipFile(self.place) as archive:
            found = [entry for entry in archive.namelist() if entry.rsplit("/", 1)[-1] == name]
            return archive.read(min(found, key=len)) if found else None

    def __getitem__(self, name: str) -> bytes | Path:
        file = self.find(name)
        if file is None:
            raise DataError(
                f"{name} is not in {self.place.name}; unpack the whole release, and check that it is the one you named"
            )
        return file

    def lines(self, name: str, separator: str) -> pl.DataFrame:
        """Read a small table that CSV readers cannot parse.

        Args:
            name: File name.
            separator: Separator of the values in a line.

        Returns:
            A column of lists of text.
        """
        file = self[name]
        text = _decode(file if isinstance(file, bytes) else file.read_bytes())
        # Not splitlines, which also splits at some latin-1 characters.
        lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
        return pl.DataFrame({"values": pl.Series(lines, dtype=pl.String).str.split(separator)})


def _decode(raw: bytes) -> str:
    """100K and 1M are in latin-1, 10M is in UTF-8, under the same file names as 1M."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def read_tabs(files: Files) -> Tables:
    """The format of 100K: u.data, u.item and u.user."""
    ratings = _headless(files["u.data"], list(RATINGS), "\t")
    users = _named(files.lines("u.user", "|"), ("user_id", "age", "gender", "occupation", "zip_code"))
    value = pl.col("values").list.get
    flags = [pl.when(value(5 + at) == "1").then(pl.lit(genre)) for at, genre in enumerate(GENRES_100K)]
    items = files.lines("u.item", "|").select(
        movie_id=value(0).cast(pl.Int64), title=value(1), genres=pl.concat_list(flags).list.drop_nulls()
    )
    return Tables(ratings, _items(items), _users(users))


def read_colons(files: Files) -> Tables:
    """The format of 1M and 10M: ratings.dat, movies.dat and, in 1M, users.dat, with :: between the values."""
    # Polars takes a separator of one byte: "::" makes an empty column between two values.
    columns = ["user_id", "between_1", "movie_id", "between_2", "rating", "between_3", "timestamp"]
    ratings = _headless(files["ratings.dat"], columns, ":")
    value = pl.col("values").list.get
    items = files.lines("movies.dat", "::").select(
        movie_id=value(0).cast(pl.Int64), title=value(1), genres=_genres(value(2))
    )
    users = None
    if files.find("users.dat") is not None:
        codes = {str(code): name for code, name in enumerate(OCCUPATIONS_1M)}
        users = _users(_named(files.lines("users.dat", "::"), USERS).with_columns(pl.col("occupation").replace(codes)))
    return Tables(ratings, _items(items), users)


def read_csv(files: Files) -> Tables:
    """The format of 20M, 25M and 32M: ratings.csv and movies.csv, with headers, in UTF-8."""
    names = dict(zip(["userId", "movieId", "rating", "timestamp"], RATINGS, strict=True))
    types = {column: RATINGS[name] for column, name in names.items()}
    ratings = pl.read_csv(files["ratings.csv"], columns=list(names), schema_overrides=types).rename(names)
    items = pl.read_csv(files["movies.csv"], schema_overrides={"title": pl.String, "genres": pl.String})
    items = items.select(movie_id="movieId", title="title", genres=_genres(pl.col("genres")))
    return Tables(ratings, _items(items), None)


def read_parquet(folder: Path) -> Tables:
    """The 100K release as a published package carries it: one Parquet file a table, genres as flags."""
    ratings = pl.read_parquet(folder / "ratings.parquet").select(pl.col(name).cast(RATINGS[name]) for name in RATINGS)
    items = pl.read_parquet(folder / "items.parquet")
    flags = pl.concat_list(pl.when(pl.col(genre) == 1).then(pl.lit(genre)) for genre in GENRES_100K)
    items = items.select("movie_id", title="movie_title", genres=flags.list.drop_nulls())
    return Tables(ratings, _items(items), _users(pl.read_parquet(folder / "users.parquet")))


def _named(lines: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    return lines.select(pl.col("values").list.get(at).alias(name) for at, name in enumerate(names))


def _genres(column: pl.Expr) -> pl.Expr:
    return column.str.split("|").list.eval(pl.element().filter(pl.element() != "(no genres listed)"))


def _headless(file: bytes | Path, columns: Sequence[str], separator: str) -> pl.DataFrame:
    # The types are given, not inferred: in 10M the first half star comes late.
    schema = {name: RATINGS.get(name, pl.String) for name in columns}
    return pl.scan_csv(file, separator=separator, has_header=False, schema=schema).select(*RATINGS).collect()


def _items(frame: pl.DataFrame) -> pl.DataFrame:
    # The last year in brackets: a title may continue after it, "(1995) (V)", or span years, "(1975-1979)".
    year = pl.col("title").str.extract_all(r"\(\d{4}").list.last().str.slice(1).cast(pl.Int64)
    return frame.with_columns(year=year)


def _users(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(USERS).with_columns(pl.col("user_id", "age").cast(pl.Int64))
