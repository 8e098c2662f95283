"""Filters by columns of the item table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from motet.errors import did_you_mean
from motet.serve.bodies import Range
from motet.serve.problem import Problem


def allowed(table: pl.DataFrame, key: str, where: Mapping[str, Any]) -> list[str] | list[int] | None:
    """Ids of the items whose columns meet all conditions.

    Args:
        table: The item table.
        key: Its id column.
        where: Conditions by column: a value, a list of accepted values, or a `Range`. A column of lists matches a value
            that is in its list.

    Returns:
        Ids; None if there are no conditions.

    Raises:
        Problem: If the table has no such column, or the column holds another type.

    Example:
        >>> films = pl.DataFrame({"id": [1, 2], "genres": [["war"], ["jazz", "war"]], "year": [1980, 1990]})
        >>> allowed(films, "id", {"genres": "war", "year": Range(min=1985)})
        [2]
    """
    if not where:
        return None
    masks = [_mask(table, column, asked) for column, asked in where.items()]
    return table.lazy().filter(*masks).select(key).collect().to_series().to_list()


def _mask(table: pl.DataFrame, column: str, asked: Any) -> pl.Expr:
    if column not in table.columns:
        raise Problem(
            422,
            f"the item table has no column {column!r} for where"
            f"{did_you_mean(column, table.columns)}; columns: {', '.join(table.columns)}",
            field=f"where.{column}",
        )
    if isinstance(asked, Range):
        return _between(table[column], asked)
    values = asked if isinstance(asked, list) else [asked]
    _check(table[column], values)
    held, dtype = pl.col(column), table.schema[column]
    if isinstance(dtype, pl.List):
        masks = [held.list.contains(value) for value in values]
    elif isinstance(dtype, pl.Categorical | pl.Enum):
        masks = [held.cast(pl.String) == value for value in values]
    else:
        masks = [held == value for value in values]
    return pl.any_horizontal(pl.lit(False), *(mask.fill_null(False) for mask in masks))


def _between(held: pl.Series, asked: Range) -> pl.Expr:
    column, mask = pl.col(held.name), pl.lit(True)
    for bound, at_least in ((asked.min, True), (asked.max, False)):
        if bound is None:
            continue
        if held.dtype in (pl.Date, pl.Datetime):
            fits, side = isinstance(bound, str), column.dt.to_string("iso")
        else:
            numeric = held.dtype.is_numeric()
            fits = isinstance(bound, int | float) if numeric else isinstance(bound, str) and held.dtype == pl.String
            side = column
        if not fits:
            raise _wrong(held, bound)
        mask = mask & (side >= bound if at_least else side <= bound)
    return mask.fill_null(False)


def _check(held: pl.Series, values: list[Any]) -> None:
    dtype = held.dtype.inner if isinstance(held.dtype, pl.List) else held.dtype
    for value in values:
        if dtype == pl.Boolean:
            fits = isinstance(value, bool)
        elif dtype.is_numeric():
            fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63
        else:
            fits = isinstance(value, str) and isinstance(dtype, pl.String | pl.Categorical | pl.Enum)
        if not fits:
            raise _wrong(held, value)


def _wrong(held: pl.Series, value: Any) -> Problem:
    return Problem(
        422,
        f"where compares column {held.name!r} with {value!r}, but it holds {held.dtype}; give a value of that type",
        field=f"where.{held.name}",
    )
