"""What an id may be: text or a whole number, the same throughout a column."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from motet.errors import DataError


def as_series(values: pl.Series | Sequence[str] | Sequence[int], name: str) -> pl.Series:
    """Ids as a Polars column.

    Args:
        values: A column, or a sequence of ids.
        name: Of the column.

    Returns:
        The column.

    Raises:
        DataError: If text and numbers are mixed.
    """
    if isinstance(values, pl.Series):
        return values
    try:
        return pl.Series(name, list(values), strict=True)
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise mixed(list(values), f"column {name!r}") from error


def as_ids(series: pl.Series, where: str) -> pl.Series:
    """An id column in one of two types, `String` or `Int64`.

    Args:
        series: Text, whole numbers, or categories of text.
        where: Names the column in an error message.

    Returns:
        The same ids.

    Raises:
        DataError: If the column holds anything else, or a mixture.
    """
    if series.dtype in (pl.String, pl.Int64):
        return series
    if series.dtype in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    if series.dtype.is_integer():
        return _as_int64(series, where)
    if series.dtype == pl.Object:
        raise mixed(series.to_list(), where)
    hint = ""
    if series.dtype.is_float():
        hint = " (a table with missing values may have turned integers into them)"
    raise DataError(
        f"{where} holds {kind_of(series)}{hint}; ids are text or whole numbers: convert the column to one of them"
    )


def kind_of(series: pl.Series) -> str:
    """What a column holds, in words.

    Args:
        series: Any column.

    Returns:
        `"text"`, `"whole numbers"`, `"decimal numbers"`, or the name of the Polars type.
    """
    if series.dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    if series.dtype.is_integer():
        return "whole numbers"
    return "decimal numbers" if series.dtype.is_float() else f"{series.dtype}"


def mixed(values: Sequence[object], where: str) -> DataError:
    """The error for a column in which the type changes.

    Args:
        values: The column.
        where: Names the column.

    Returns:
        An error that names the first row of another type than the first value.
    """
    first = next((value for value in values if value is not None), None)
    row, other = next(
        ((row, value) for row, value in enumerate(values) if value is not None and type(value) is not type(first)),
        (0, first),
    )
    return DataError(
        f"{where} mixes types: {first!r} is {type(first).__name__}, but row {row} has {other!r}, "
        f"which is {type(other).__name__}; convert the whole column to text or to whole numbers"
    )


def _as_int64(series: pl.Series, where: str) -> pl.Series:
    try:
        return series.cast(pl.Int64)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{where} has the id {series.max()!r}, too large for 64-bit integers; convert the column to text"
        ) from error
