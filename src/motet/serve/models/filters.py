"""Filters by columns of the item table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from motet.errors import did_you_mean
from motet.serve.bodies import Range
from motet.serve.problem import Problem


def condition(table: pl.DataFrame, where: Mapping[str, Any]) -> pl.Expr | None:
    """What is true for the items whose columns meet all conditions.

    Args:
        table: The item table.
        where: Conditions by column: a value, a list of accepted values, or a `Range`. A column of lists matches if one
            of its values does. A missing value meets no condition, except a range without bounds.

    Returns:
        For `Recommender.recommend(only=...)`; None if there are no conditions.

    Raises:
        Problem: If the table has no such column, or the column holds another type.

    Example:
        >>> films = pl.DataFrame({"id": [1, 2], "genres": [["war"], ["jazz", "war"]], "year": [1980, 1990]})
        >>> films.filter(condition(films, {"genres": "war", "year": Range(min=1985)}))["id"].to_list()
        [2]
    """
    if not where:
        return None
    return pl.all_horizontal([_mask(table, column, asked) for column, asked in where.items()])


def _mask(table: pl.DataFrame, column: str, asked: Any) -> pl.Expr:
    if column not in table.columns:
        raise Problem(
            422,
            f"the item table has no column {column!r} for where"
            f"{did_you_mean(column, table.columns)} Columns: {', '.join(table.columns)}.",
            field=f"where.{column}",
        )
    if isinstance(asked, Range):
        return _between(table[column], asked)
    return _among(table[column], asked if isinstance(asked, list) else [asked])


def _among(column: pl.Series, values: Sequence[Any]) -> pl.Expr:
    held, dtype = pl.col(column.name), column.dtype
    inner = dtype.inner if isinstance(dtype, pl.List) else dtype
    accepted = [_fitting(column, inner, value) for value in values]
    if not accepted:
        return pl.lit(False)
    if isinstance(dtype, pl.List):
        mask = held.list.eval(_is_in(pl.element(), accepted, inner)).list.any()
    else:
        mask = _is_in(held, accepted, dtype)
    return mask.fill_null(False)


def _is_in(held: pl.Expr, accepted: list[Any], dtype: Any) -> pl.Expr:
    if dtype.is_integer():  # those that the column cannot hold become null, which equals nothing
        whole = [int(value) for value in accepted if value == int(value)]
        values = pl.Series(whole, dtype=pl.Int64).cast(dtype, strict=False)
    elif dtype.is_numeric():
        values = pl.Series(accepted, dtype=pl.Float64).cast(dtype, strict=False)
    else:
        values = pl.Series(accepted)
    return _comparable(held, dtype).is_in(values.implode())


def _between(column: pl.Series, asked: Range) -> pl.Expr:
    held, dtype = _comparable(pl.col(column.name), column.dtype), column.dtype
    mask = pl.lit(True)
    for bound, at_least in ((asked.min, True), (asked.max, False)):
        if bound is not None:
            if isinstance(dtype, pl.Categorical | pl.Enum):  # their order is not that of their texts
                raise _wrong(column, bound)
            value = _fitting(column, dtype, bound)
            mask = mask & (held >= value if at_least else held <= value)
    return mask.fill_null(False)


def _comparable(held: pl.Expr, dtype: Any) -> pl.Expr:
    """A column as values of requests are compared with it: categories as text, times in UTC, NaN as missing."""
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return held.cast(pl.String)
    if dtype.is_float():
        return held.fill_nan(None)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        held = held.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return held.cast(pl.Datetime("us")) if isinstance(dtype, pl.Date | pl.Datetime) else held


def _fitting(column: pl.Series, dtype: Any, value: Any) -> Any:
    """A value as a column of this type is compared with it."""
    if isinstance(dtype, pl.Date | pl.Datetime):
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        except (TypeError, ValueError, OverflowError):
            raise _wrong(column, value, ", such as 2026-01-31 or 2026-01-31T18:00:00Z") from None
    if dtype == pl.Boolean:
        fits = isinstance(value, bool)
    elif dtype.is_numeric():
        fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63
    else:
        fits = isinstance(value, str) and isinstance(dtype, pl.String | pl.Categorical | pl.Enum)
    if not fits:
        raise _wrong(column, value)
    return value


def _wrong(column: pl.Series, value: Any, example: str = "") -> Problem:
    return Problem(
        422,
        f"where compares column {column.name!r} with {value!r}, but it holds {column.dtype}; "
        f"give a value of that type{example}",
        field=f"where.{column.name}",
    )
