"""Files: a path that stands for a file, a folder of Parquet files or a pattern such as `orders-*.csv`, as one table."""

from __future__ import annotations

import bisect
import glob
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from motet.data.sources import Source, open_file, reading
from motet.errors import DataError, did_you_mean

SIGNS = "*?["  # that make a path a pattern
TEXTS = (pl.String, pl.Categorical, pl.Enum)


def files_of(path: Path) -> list[Path]:
    """The files that a path stands for.

    Args:
        path: A file; a folder, for the Parquet files in it, without those whose name, or that of their folder, begins
            with `_` or `.`, as Spark's `_temporary`; or a pattern, in which `*` stands for any letters, `?` for one,
            and `**` for any folders.

    Returns:
        The files, sorted by name, so that the same files always give the same rows; none if there is no such file.
    """
    if path.is_dir():
        return sorted(file for file in path.rglob("*.parquet") if not _is_hidden(file.relative_to(path)))
    if path.is_file() or not _is_pattern(path):
        return [path] if path.is_file() else []
    # What exists is no pattern: the name of a folder may hold a bracket.
    root = next(parent for parent in path.parents if parent.is_dir())
    found = (root / name for name in glob.glob(str(path.relative_to(root)), root_dir=root, recursive=True))
    return sorted(file for file in found if file.is_file())


def open_path(path: Path, text: Collection[str] = (), codes: Collection[str] | None = ()) -> Source:
    """Open a file, or several files as one table: the rows of one after the other, in the order of the names.

    Args:
        path: As in `files_of`.
        text: As in `open_file`.
        codes: As in `open_file`.

    Returns:
        The source. The type of a column of CSV files is that of a single file with all the rows.

    Raises:
        DataError: If there is no such file, or the files are of several types.
    """
    files = files_of(path)
    if not files:
        raise _nothing(path)
    first, *rest = files
    if not rest:
        return open_file(first, text, codes)
    for other in rest:
        if other.suffix.lower() != first.suffix.lower():
            raise DataError(
                f"{path.name} matches {first.name} and {other.name}; files that are read as one table have one type: "
                f"write it in the pattern, as in '*{first.suffix or '.csv'}'"
            )
    return _join(files, text, codes)


def _is_hidden(inside: Path) -> bool:
    return any(part.startswith(("_", ".")) for part in inside.parts)


def _is_pattern(path: Path) -> bool:
    return any(sign in str(path) for sign in SIGNS)


def _nothing(path: Path) -> DataError:
    if path.is_dir():
        return DataError(
            f"the folder {path} has no .parquet file in it; give a file, a folder of Parquet files, or a pattern such "
            f"as '{path / '*.csv'}'"
        )
    if _is_pattern(path):
        return DataError(f"no file matches {path}")
    beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    return DataError(f"there is no file {path}{did_you_mean(path.name, beside).removesuffix('.')}")


def _join(files: Sequence[Path], text: Collection[str], codes: Collection[str] | None) -> Source:
    sources: dict[Path, Source] = {}
    for file in files:
        with reading(file.name):
            sources[file] = open_file(file, text, codes)

    def read(columns: Sequence[str]) -> pl.LazyFrame:
        frames = {}
        for file, source in sources.items():
            _check_columns(columns, file, sources)
            with reading(file.name):
                frames[file] = source.read(columns)
        mixed = []
        for name, known in _unlike(frames, columns):
            if len({_kind(each) for each in known.values()}) > 1:
                mixed.append(name)
                if files[0].suffix.lower() not in (".csv", ".tsv"):
                    raise _of_two_kinds(name, known)
            elif known:  # a column without values has a type that says nothing
                kind = next(iter(known.values()))
                for file in frames.keys() - known.keys():
                    frames[file] = frames[file].with_columns(pl.col(name).cast(kind))
        if mixed:  # as a single CSV file is read in which some values are numbers
            return _join(files, [*text, *mixed], codes).read(columns)
        return pl.concat(frames.values(), how="vertical_relaxed")

    def locate(row: int) -> tuple[int, str]:
        rows = [each.read(each.columns[:1]).select(pl.len()).collect().item() for each in sources.values()]
        ends = list(itertools.accumulate(rows))
        file = bisect.bisect_right(ends, row)
        return row - ends[file] + rows[file], files[file].name

    names = tuple(dict.fromkeys(name for each in sources.values() for name in each.columns))
    return Source(names, read, locate, typed=all(each.typed for each in sources.values()))


def _check_columns(columns: Sequence[str], file: Path, sources: Mapping[Path, Source]) -> None:
    for name in columns:
        if name not in sources[file].columns:
            other = next(each for each, source in sources.items() if name in source.columns)
            raise DataError(
                f"column {name!r} is in {other.name} but not in {file.name}; files that are read as one table have the "
                "same columns: add it, empty where it is unknown, or leave the file out"
            )


def _unlike(frames: Mapping[Path, pl.LazyFrame], columns: Sequence[str]) -> Iterator[tuple[str, dict[Path, Any]]]:
    """The columns whose types do not go together, and their type in each file with a value."""
    types = {file: frame.collect_schema() for file, frame in frames.items()}
    for name in columns:
        if len({_kind(each[name]) for each in types.values()}) > 1:
            yield name, {file: types[file][name] for file, frame in frames.items() if _has_values(frame, name)}


def _has_values(frame: pl.LazyFrame, name: str) -> bool:
    if frame.collect_schema()[name] == pl.List(pl.Null):  # nothing but empty lists
        return False
    return bool(frame.select(pl.col(name).is_not_null().any()).collect().item())


def _kind(dtype: Any) -> str:
    """Types that go together, in words."""
    if dtype in TEXTS:
        return "text"
    if isinstance(dtype, pl.List):
        return f"lists of {_kind(dtype.inner)}"
    if dtype in (pl.Date, pl.Datetime):
        zone = getattr(dtype, "time_zone", None)
        return "times" if zone is None else f"times in the zone {zone}"
    return "numbers" if dtype.is_numeric() or dtype == pl.Boolean else str(dtype)


def _of_two_kinds(name: str, known: Mapping[Path, Any]) -> DataError:
    first, *rest = known
    other = next(each for each in rest if _kind(known[each]) != _kind(known[first]))
    return DataError(
        f"column {name!r} holds {_kind(known[first])} in {first.name} but {_kind(known[other])} in {other.name}; files "
        "that are read as one table have the same types: convert the column in one of them"
    )
