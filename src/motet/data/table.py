"""Table: anything tabular, read column by column, so that one raw column is in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from motet.data.place import Place
from motet.data.sources import Source, open_file, open_frame
from motet.errors import DataError, did_you_mean


@dataclass(frozen=True)
class Table:
    """A table and the name that error messages give it.

    Attributes:
        name: Of the file, or what the table is for.
        frame: The data, not read yet where the format allows that.
        columns: All names of the source, in its order; `frame` holds those that were wanted.
    """

    name: str
    frame: pl.LazyFrame
    columns: tuple[str, ...]

    @classmethod
    def open(
        cls,
        source: object,
        name: str,
        *,
        needs: Sequence[str] = (),
        wanted: Sequence[str] | None = None,
        text: Collection[str] = (),
    ) -> Table:
        """Look at a source without reading more than it must.

        Args:
            source: A path of a file, or of a folder of Parquet files; a Polars, pandas or Arrow table; or anything
                else with Arrow's stream interface.
            name: What to call a table that is no file.
            needs: Columns that must be there.
            wanted: The columns that may be asked for; all where not given.
            text: Columns to read as text where the format does not say: a code such as 00501 stays as it is.

        Returns:
            The table.

        Raises:
            DataError: If the source is none of these, cannot be read, lacks a column, or has no rows.
        """
        if isinstance(source, str | os.PathLike):
            name = Path(source).name or str(source)
        with _reading(name):
            found = open_file(Path(source), text) if isinstance(source, str | os.PathLike) else open_frame(source, name)
            _require(needs, found, name)
            frame = found.read([column for column in found.columns if wanted is None or column in wanted])
            rows = frame.select(pl.len()).collect().item()
        if not rows:
            raise DataError(f"{name} is empty: it needs at least one row below its column names")
        return cls(name, frame, found.columns)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def where(self, column: str, rows: pl.Series | None = None) -> Place:
        """Where the values of a column stand.

        Args:
            column: Its name.
            rows: The row of each value, where they were reordered.

        Returns:
            What error messages point at.
        """
        return Place(column, self.name, rows)

    def column(self, name: str) -> pl.Series:
        """Read one column.

        Args:
            name: Of the column; one of those that were needed or wanted.

        Returns:
            The column.

        Raises:
            DataError: If it cannot be read.
        """
        with _reading(self.name):
            return self.frame.select(name).collect().to_series()

    def rows(self, places: pl.Series) -> pl.DataFrame:
        """Read some rows.

        Args:
            places: Of the rows, in the order in which they are wanted.

        Returns:
            All columns of them.

        Raises:
            DataError: If they cannot be read.
        """
        with _reading(self.name):
            return self.frame.select(pl.all().gather(places)).collect()


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Say which table it was that cannot be read."""
    try:
        yield
    except pl.exceptions.NoDataError as error:
        raise DataError(f"{name} is empty: not even column names are in it") from error
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise DataError(f"{name} cannot be read: {error}") from error


def _require(needs: Sequence[str], source: Source, name: str) -> None:
    for column in needs:
        if column not in source.columns:
            hint = did_you_mean(column, source.columns) or "."
            raise DataError(f"column {column!r} is not in {name}{hint} Columns: {', '.join(source.columns)}.")
