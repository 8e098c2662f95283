"""Filters on item columns, against a loop."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from motet.serve.bodies import Range
from motet.serve.models.filters import _mask, condition
from motet.serve.problem import Problem

TABLE = pl.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "genres": [["war", "jazz"], ["jazz"], [], None],
        "year": [1980, 1990, 2000, None],
        "price": [1.5, None, 3.0, 0.5],
        "weight": pl.Series([1.1, float("nan"), 300, -1], dtype=pl.Float32),
        "small": pl.Series([1, 2, 3, 200], dtype=pl.UInt8),
        "barcode": [2**53, 2**53 + 1, 2**53 + 2, None],
        "sizes": [[1, 2], [3], [], None],
        "new": [True, False, None, True],
        "born": [date(2020, 1, 1), date(2021, 1, 1), None, date(2022, 6, 1)],
        "seen": [datetime(2020, 1, 1, 9), datetime(2020, 1, 1, 23), None, datetime(2021, 1, 1)],
        "left": pl.Series([datetime(2020, 1, 1, 9, tzinfo=UTC)] * 3 + [None]).dt.convert_time_zone("Asia/Tokyo"),
        "kinds": pl.Series([["a"], ["b", "a"], [], None], dtype=pl.List(pl.Categorical)),
        "kind": pl.Series(["a", "b", "a", None], dtype=pl.Categorical),
        "name": ["x'; DROP TABLE items", ".*", "é", None],
    }
)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"genres": "jazz"}, [1, 2]),
        ({"genres": ["war", "polka"]}, [1]),
        ({"genres": []}, []),
        ({"year": 1990}, [2]),
        ({"year": [1980, 2000.0]}, [1, 3]),
        ({"year": Range(min=1990)}, [2, 3]),
        ({"year": Range(min=1985, max=1995)}, [2]),
        ({"year": Range()}, [1, 2, 3, 4]),
        ({"price": Range(max=1.5)}, [1, 4]),
        ({"new": True}, [1, 4]),
        ({"year": [1980, 1990.5, -1, 2**62]}, [1]),
        ({"price": [1.5, 3]}, [1, 3]),
        ({"weight": 1.1}, [1]),
        ({"weight": Range(min=1)}, [1, 3]),
        ({"small": [-1, 200, 300]}, [4]),
        ({"barcode": 2**53 + 1}, [2]),
        ({"barcode": Range(min=2**53 + 1)}, [2, 3]),
        ({"sizes": [1, 2.0, 2.5]}, [1]),
        ({"sizes": 1.5}, []),
        ({"new": [True, False]}, [1, 2, 4]),
        ({"born": Range(min="2020-06-01", max="2022-01-01")}, [2]),
        ({"born": "2021-01-01"}, [2]),
        ({"seen": Range(min="2020-01-01T10:00:00", max="2021-01-01")}, [2, 4]),
        ({"seen": Range(max="2020-01-01T10:00:00+01:00")}, [1]),
        ({"left": Range(min="2020-01-01T09:00:00", max="2020-01-01T09:00:00Z")}, [1, 2, 3]),
        ({"kinds": ["a", "z"]}, [1, 2]),
        ({"kind": "a"}, [1, 3]),
        ({"kind": "z"}, []),
        ({"name": ".*"}, [2]),
        ({"name": Range(min="y")}, [3]),
        ({"id": [4, 9]}, [4]),
        ({"genres": "jazz", "year": Range(max=1985)}, [1]),
        ({}, None),
    ],
)
def test_items_that_hold_what_is_asked(
    where: dict[str, Any], found: list[int] | None, capfd: pytest.CaptureFixture[str]
) -> None:
    met = condition(TABLE, where)
    assert (None if met is None else TABLE.filter(met)["id"].to_list()) == found
    assert capfd.readouterr().err == ""  # Polars prints a warning that the tests have made an error


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"yaer": 3}, "the item table has no column 'yaer' for where; did you mean 'year'"),
        ({"year": "1990"}, "where compares column 'year' with '1990', but it holds Int64; give a value of that type"),
        ({"year": True}, "with True, but it holds Int64"),
        ({"year": 2**70}, "but it holds Int64"),
        ({"new": 1}, "with 1, but it holds Boolean"),
        ({"born": 2020}, "with 2020, but it holds Date"),
        ({"born": "soon"}, "with 'soon', but it holds Date; give a value of that type, such as 2026-01-31"),
        ({"seen": Range(min="9999-12-31T23:00:00-10:00")}, "but it holds Datetime"),
        ({"kind": Range(min="a")}, "with 'a', but it holds Categorical"),
        ({"born": Range(min=2020)}, "but it holds Date"),
        ({"genres": Range(min="a")}, "with 'a', but it holds List"),
    ],
)
def test_columns_that_do_not_hold_that(where: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem, match=message) as caught:
        condition(TABLE, where)
    assert caught.value.error["field"] == f"where.{next(iter(where))}"


@pytest.mark.parametrize(("column", "value"), [("year", 1990), ("name", ".*"), ("genres", "jazz"), ("kind", "a")])
def test_a_thousand_values_are_one_comparison(column: str, value: Any) -> None:
    """With a comparison for each, one request kept a thread for minutes."""
    assert len(str(_mask(TABLE, column, [value] * 1_000))) < 1_000
