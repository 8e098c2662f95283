"""Table: anything tabular, read column by column, so that one raw column is in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from motet.data.ids import mixed
from motet.errors import DataError, did_you_mean

SUFFIXES = (".parquet", ".csv", ".tsv", ".arrow", ".feather", ".ipc")


@dataclass(frozen=True)
class Table:
    """A table and the name that error messages give it.

    Attributes:
        name: Of the file, or what the table is for.
        frame: The data, not read yet where the format allows that.
        columns: Names, in order.
    """

    name: str
    frame: pl.LazyFrame
    columns: tuple[str, ...]

    @classmethod
    def open(
        cls, source: object, name: str, *, wanted: Sequence[str] | None = None, text: Collection[str] = ()
    ) -> Table:
        """Look at a source without reading more than it must.

        Args:
            source: A path, or a Polars, pandas or Arrow table, or anything with Arrow's stream interface.
            name: What to call a table that is no file.
            wanted: The columns that will be asked for; all where not given.
            text: Columns to read as text where the format does not say: a code such as 00501 stays as it is.

        Returns:
            The table.

        Raises:
            DataError: If the source is none of these, cannot be read, or has no rows.
        """
        if isinstance(source, str | os.PathLike):
            path = Path(source)
            return cls._checked(path.name, _scan(path, wanted, text))
        if isinstance(source, pl.LazyFrame):
            return cls._checked(name, source)
        if isinstance(source, pl.DataFrame):
            return cls._checked(name, source.lazy())
        if type(source).__module__.partition(".")[0] == "pandas":
            return cls._checked(name, _from_pandas(source, name, wanted).lazy())
        if hasattr(source, "__arrow_c_stream__"):
            return cls._checked(name, pl.DataFrame(source).lazy())
        raise DataError(
            f"{name} is a {type(source).__name__}; give a path ({', '.join(SUFFIXES)}), "
            "or a Polars, pandas or Arrow table"
        )

    @classmethod
    def _checked(cls, name: str, frame: pl.LazyFrame) -> Table:
        try:
            columns = tuple(frame.collect_schema().names())
            rows = frame.select(pl.len()).collect().item()
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{name} cannot be read: {error}") from error
        if not rows:
            raise DataError(f"{name} is empty: it needs at least one row below its column names")
        return cls(name, frame, columns)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def where(self, column: str) -> str:
        """How error messages name a column.

        Args:
            column: Its name.

        Returns:
            `"column 'rating' of ratings.parquet"`.
        """
        return f"column {column!r} of {self.name}"

    def column(self, name: str) -> pl.Series:
        """Read one column.

        Args:
            name: Of the column.

        Returns:
            The column, in one piece.

        Raises:
            DataError: If there is no such column; the message lists those there are.
        """
        self.require(name)
        return self.frame.select(name).collect().to_series()

    def require(self, name: str) -> None:
        """Refuse a table without the column.

        Args:
            name: Of the column.

        Raises:
            DataError: If there is no such column; the message lists those there are.
        """
        if name not in self.columns:
            hint = did_you_mean(name, self.columns) or "."
            raise DataError(f"column {name!r} is not in {self.name}{hint} Columns: {', '.join(self.columns)}.")


def _scan(path: Path, wanted: Sequence[str] | None, text: Collection[str]) -> pl.LazyFrame:
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path.name} has the unsupported type {path.suffix!r}; supported: {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    try:
        match path.suffix:
            case ".parquet":
                return pl.scan_parquet(path)
            case ".csv" | ".tsv":
                return _read_csv(path, wanted, text).lazy()
            case _:
                return _scan_arrow(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error


def _scan_arrow(path: Path) -> pl.LazyFrame:
    try:
        frame = pl.scan_ipc(path)
        frame.collect_schema()
    except pl.exceptions.PolarsError:
        return pl.read_ipc_stream(path).lazy()
    return frame


def _read_csv(path: Path, wanted: Sequence[str] | None, text: Collection[str]) -> pl.DataFrame:
    separator = "\t" if path.suffix == ".tsv" else ","
    names = pl.scan_csv(path, separator=separator).collect_schema().names()
    options: dict[str, Any] = {
        "separator": separator,
        "columns": names if wanted is None else [name for name in names if name in wanted],
        "schema_overrides": {name: pl.String for name in text if name in names},
    }
    try:
        return pl.read_csv(path, infer_schema_length=10_000, **options)
    except pl.exceptions.ComputeError:
        # A value further down does not fit the type of the first rows: look at all of them.
        return pl.read_csv(path, infer_schema_length=None, **options)


def _from_pandas(frame: Any, name: str, wanted: Sequence[str] | None) -> pl.DataFrame:
    """Convert column by column, to say which one mixes types. What pandas calls missing, NaN, becomes null."""
    labels = [label for label in frame.columns if wanted is None or str(label) in wanted]
    columns = {}
    for label in labels:
        try:
            columns[str(label)] = pl.from_pandas(frame[label], nan_to_null=True)
        except Exception as error:
            raise mixed(frame[label].tolist(), f"column {str(label)!r} of {name}") from error
    return pl.DataFrame(columns)
