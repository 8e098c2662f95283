"""Place: the position of a value in the caller's data, for error messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True)
class Place:
    """A column of a source.

    Attributes:
        column: Column name.
        source: The file, or what the table is for.
        rows: The source row of each value, if the values were reordered after reading.
        locate: Of several files, finds the file of a row, and the row within it; None if there is a single file.

    Example:
        >>> place = Place("age", "users.csv")
        >>> f"{place} is odd in {place.row(3)}"
        "column 'age' of users.csv is odd in row 3 (counted from 0)"
    """

    column: str
    source: str
    rows: pl.Series | None = field(default=None, repr=False)
    locate: Callable[[int], tuple[int, str]] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"column {self.column!r} of {self.source}"

    def row(self, index: int) -> str:
        """Name a row of the source.

        Args:
            index: Position of the value in the column.

        Returns:
            `"row 3 (counted from 0)"`; of several files, `"row 3 of orders-02.csv (counted from 0)"`.
        """
        row = index if self.rows is None else self.rows[index]
        if self.locate is None:
            return f"row {row} (counted from 0)"
        inside, name = self.locate(row)
        return f"row {inside} of {name} (counted from 0)"
