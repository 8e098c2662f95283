"""Profile: summary of a column, and the kind of feature it could be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from motet.data.columns import timestamps
from motet.data.place import Place
from motet.data.schema import Categorical, Feature, MultiValued, Numeric, Text, Timestamp
from motet.data.table import Table
from motet.errors import DataError

TEXTS = (pl.String, pl.Categorical, pl.Enum)
SEPARATORS = ("|", ";")
CODES = 10  # integers with at most this many values count as codes
SHOWN = 20  # most values of a signal or of a kind of event
ISO = r"^\d{4}-\d{2}-\d{2}"
LOOKED_AT = 1_000  # values of a text column that are inspected


def readable(times: pl.Series) -> bool:
    """Whether a log takes these times.

    Args:
        times: Not 03/04/2024, for instance, nor the number 20240403.

    Returns:
        Whether `Timestamp` reads all of them.
    """
    try:
        timestamps(times, Place(times.name, "the log"))
    except DataError:
        return False
    return True


@dataclass(frozen=True)
class Profile:
    """One column.

    Attributes:
        name: Its name.
        rows: Number of rows.
        known: Number of values that are not null.
        distinct: Number of distinct values.
        sample: Some of the values that are not null.
        values: All distinct values if they are few, else none.
        finite: Whether no number is NaN or infinite.
        dates: Whether it is text, and all of it dates in ISO 8601.
    """

    name: str
    rows: int
    known: int
    distinct: int
    sample: pl.Series
    values: tuple[object, ...] = ()
    finite: bool = True
    dates: bool = False

    @classmethod
    def of(cls, table: Table, name: str) -> Profile:
        """Summarise a column.

        Args:
            table: The table.
            name: Name of the column.

        Returns:
            Its profile.
        """
        series = table.column(name)
        known = series.drop_nulls()
        nested = series.dtype.is_nested()
        distinct = len(known) if nested else known.n_unique()
        values = tuple(known.unique().sort().to_list()) if distinct <= SHOWN and not nested else ()
        finite = not series.dtype.is_float() or bool(known.is_finite().all())
        sample = known.head(LOOKED_AT)
        dates = series.dtype == pl.String and sample.str.contains(ISO).all() and readable(known)
        return cls(name, len(series), len(known), distinct, sample, values, finite, dates)

    @property
    def dtype(self) -> Any:
        """Its Polars type."""
        return self.sample.dtype

    @property
    def text(self) -> bool:
        """Whether it holds text."""
        return self.dtype in TEXTS

    @property
    def number(self) -> bool:
        """Whether it holds finite numbers, or true and false."""
        return (self.dtype.is_numeric() and self.finite) or self.dtype == pl.Boolean

    @property
    def binary(self) -> bool:
        """Whether its values are 0 and 1, or one of them."""
        return self.number and set(self.values) <= {0, 1} and bool(self.values)

    @property
    def against(self) -> bool:
        """Whether it holds few numbers, some of them below 0, as of thumbs up and down."""
        return self.number and bool((pl.Series(self.values, dtype=pl.Float64, strict=False) < 0).any())

    @property
    def sayable(self) -> bool:
        """Whether a condition can name it: in backticks, it can name every column without one."""
        return "`" not in self.name

    @property
    def constant(self) -> bool:
        """Whether it is the same in every row."""
        return self.distinct < 2 and self.known in (0, self.rows)

    def told(self) -> str:
        """The column in a few words."""
        empty = f", empty in {self.rows - self.known:,}" if self.known < self.rows else ""
        return f"{self.distinct:,} different in {self.rows:,} rows{empty}"

    def kind(self) -> tuple[Feature | None, str]:
        """The kind of feature it could be.

        Returns:
            The kind, or None if it should be left out; and the reason.
        """
        if self.constant:
            return None, "the same in every row"
        if self.dates:
            return Timestamp(), "dates"
        if self.text:
            return self._kind_of_text()
        if self.dtype in (pl.Date, pl.Datetime):
            return Timestamp(), "times"
        if isinstance(self.dtype, pl.List | pl.Array):
            inner = self.sample.explode().dtype
            usable = inner in TEXTS or inner.is_integer()
            return (MultiValued(), "lists of values") if usable else (None, f"lists of {inner}")
        if not self.number:
            return None, "NaN or infinity in it: write null instead" if self.dtype.is_float() else f"type {self.dtype}"
        code = self.dtype == pl.Boolean or (
            self.dtype.is_integer() and (self.distinct <= CODES or self.name.lower().endswith(("id", "code", "zip")))
        )
        if code and self.distinct == self.known:
            return None, "different in every row"
        return (Categorical(), "codes") if code else (Numeric(), "numbers")

    def _kind_of_text(self) -> tuple[Feature | None, str]:
        texts = self.sample.cast(pl.String)
        for separator in SEPARATORS:
            if texts.str.contains(separator, literal=True).sum() > len(texts) / 20:
                return MultiValued(separator), f"values joined by {separator!r}"
        if texts.str.contains("://", literal=True).any():
            return None, "addresses"
        several = float(texts.str.split(" ").list.len().mean() or 0) >= 1.5  # type: ignore[arg-type]
        if self.distinct > self.known / 2 and several:
            return Text(), "words"
        if self.distinct == self.known:
            return None, "different in every row"
        return Categorical(), f"{self.distinct:,} values"
