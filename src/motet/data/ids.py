"""Ids: text or whole numbers, one type per column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import polars as pl

from motet.errors import DataError

Ids = pl.Series | Sequence[str] | Sequence[int] | npt.NDArray[Any]
LARGEST = 2**127 - 1  # that Polars holds


def as_series(values: Ids, name: str) -> pl.Series:
    """Ids as a Polars column.

    Args:
        values: A column, a sequence or an array of ids.
        name: Name of the column.

    Returns:
        The column.

    Raises:
        DataError: If text and numbers are mixed, or `values` is a single string.
    """
    if isinstance(values, pl.Series):
        return values
    if isinstance(values, str):
        raise DataError(f"ids of {name!r} must be a sequence, but {values!r} is a single id; write [{values!r}]")
    try:
        return pl.Series(name, values, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        if all(value is None or type(value) is int for value in values):  # some of them beyond 64 bits
            bounded = [None if value is None else max(-LARGEST, min(int(value), LARGEST)) for value in values]
            return pl.Series(name, bounded, dtype=pl.Int128)
        raise mixed(list(values), f"column {name!r}") from error


def as_ids(series: pl.Series, where: object) -> pl.Series:
    """An id column in one of two types, `String` or `Int64`.

    Args:
        series: Text, whole numbers, or categorical text.
        where: Names the column in error messages.

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
    hint = " (missing values may have turned whole numbers into them)" if series.dtype.is_float() else ""
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
    if series.dtype == pl.Null:
        return "nothing but nulls"
    if series.dtype.is_integer():
        return "whole numbers"
    return "decimal numbers" if series.dtype.is_float() else f"values of type {series.dtype}"


def mixed(values: Sequence[object], where: object) -> DataError:
    """Build the error for a column of Python objects, which usually means that it mixes types.

    Args:
        values: The column.
        where: Names the column in the message.

    Returns:
        An error that names the first row whose type differs from that of the first value.
    """
    present = [(row, value) for row, value in enumerate(values) if value is not None]
    (_, first), *rest = present
    for row, value in rest:
        if type(value) is not type(first):
            return DataError(
                f"{where} mixes types: {first!r} is {type(first).__name__}, but {value!r} in row {row} "
                f"(counted from 0) is {type(value).__name__}; convert the whole column to one type"
            )
    return DataError(f"{where} holds objects of type {type(first).__name__}, such as {first!r}; convert them to text")


def _as_int64(series: pl.Series, where: object) -> pl.Series:
    try:
        return series.cast(pl.Int64)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"{where} has the id {series.max()!r}, too large for 64-bit integers; convert the column to text"
        ) from error
