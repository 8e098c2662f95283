"""Table: a tabular source, read column by column so that only one raw column is in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from motet.data.files import open_path
from motet.data.place import Place
from motet.data.sources import open_frame, reading
from motet.errors import DataError, did_you_mean

SEPARATORS = ";\t|"


@dataclass(frozen=True)
class Table:
    """A table, and its name in error messages.

    Attributes:
        name: The file name, or what the table is for.
        frame: The data, read lazily where the format allows it.
        columns: All column names of the source, in order; `frame` holds only the wanted ones.
        locate: Of several files, finds the file of a row, and the row within it; None if there is a single file.
        typed: Whether the columns have types of their own. Those of CSV are inferred from their values.
    """

    name: str
    frame: pl.LazyFrame
    columns: tuple[str, ...]
    locate: Callable[[int], tuple[int, str]] | None = None
    typed: bool = True

    @classmethod
    def open(
        cls,
        source: object,
        name: str,
        *,
        needs: Sequence[str] = (),
        wanted: Sequence[str] | None = None,
        text: Collection[str] = (),
        codes: Collection[str] | None = (),
    ) -> Table:
        """Open a source without reading more than necessary.

        Args:
            source: The path of a file, of a folder of Parquet files, or a pattern such as `orders-*.csv`; a Polars,
                pandas or Arrow table; or anything else with Arrow's stream interface.
            name: What to call a table that is not a file.
            needs: Columns that must exist.
            wanted: The only columns that will be read; all by default.
            text: Columns to read as text if the format has no types: a code such as 00501 keeps its zeros.
            codes: Columns read as text if the format has no types and one of their numbers starts with 0: those of ids.
                None for all.

        Returns:
            The table.

        Raises:
            DataError: If the source is none of these, cannot be read, lacks a column, or has no rows.
        """
        if isinstance(source, str | os.PathLike):
            name = Path(source).name or str(source)
        with reading(name):
            if isinstance(source, str | os.PathLike):
                found = open_path(Path(source), text, codes)
            else:
                found = open_frame(source, name)
            _require(needs, found.columns, name)
            kept = [column for column in found.columns if wanted is None or column in wanted]
            frame = found.read(kept)
            # Without a column there are no rows to count: the caller says which column it lacks.
            rows = frame.select(pl.len()).collect().item() if kept else None
        if rows == 0:
            raise DataError(f"{name} is empty: it needs at least one row below its column names")
        return cls(name, frame, found.columns, found.locate, found.typed)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def require(self, columns: Sequence[str]) -> None:
        """Refuse a table without some columns.

        Args:
            columns: Columns that must exist.

        Raises:
            DataError: If one does not.
        """
        _require(columns, self.columns, self.name)

    def where(self, column: str, rows: pl.Series | None = None) -> Place:
        """The place of a column, for error messages.

        Args:
            column: Column name.
            rows: The source row of each value, if the values were reordered.

        Returns:
            The place.
        """
        return Place(column, self.name, rows, self.locate)

    def column(self, name: str) -> pl.Series:
        """Read one column.

        Args:
            name: A column that was needed or wanted.

        Returns:
            The column.

        Raises:
            DataError: If it cannot be read.
        """
        with reading(self.name):
            return self.frame.select(name).collect().to_series()

    def rows(self, places: pl.Series) -> pl.DataFrame:
        """Read some rows.

        Args:
            places: Row numbers, in the order wanted.

        Returns:
            All columns of these rows.

        Raises:
            DataError: If they cannot be read.
        """
        with reading(self.name):
            return self.frame.select(pl.all().gather(places)).collect()


def _require(needs: Sequence[str], columns: Sequence[str], name: str) -> None:
    for column in needs:
        if column not in columns:
            hint = did_you_mean(column, columns)
            raise DataError(
                f"column {column!r} is not in {name}{hint} Columns: {', '.join(columns)}." + _separated(columns)
            )


def _separated(columns: Sequence[str]) -> str:
    """A hint for a file whose only column is several, as in a CSV file that a spreadsheet wrote with semicolons."""
    between = [sign for sign in SEPARATORS if len(columns) == 1 and sign in columns[0]]
    if not between:
        return ""
    return f" The file separates columns by {between[0]!r}: a .csv file needs commas, a .tsv file tabs."
