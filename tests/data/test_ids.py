from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from motet.data.ids import as_ids, as_series, kind_of, mixed
from motet.errors import DataError


@pytest.mark.parametrize("dtype", [pl.UInt8, pl.Int16, pl.Int32, pl.Int64, pl.UInt64])
def test_whole_numbers_become_int64(dtype: type[pl.DataType]) -> None:
    assert as_ids(pl.Series([1, 2, None], dtype=dtype), "ids").equals(pl.Series([1, 2, None]), check_dtypes=True)


@pytest.mark.parametrize("dtype", [pl.Categorical(), pl.Enum(["b", "a"])])
def test_categories_become_text(dtype: pl.DataType) -> None:
    assert as_ids(pl.Series(["a", "b"], dtype=dtype), "ids").equals(pl.Series(["a", "b"]), check_dtypes=True)


def test_sequences_become_series() -> None:
    for values in ([3, 1], (3, 1), np.array([3, 1])):
        assert as_series(values, "x").to_list() == [3, 1]
    assert as_series([], "x").len() == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            pl.Series([1.0, None]),
            r"ids holds decimal numbers \(missing values may have turned whole numbers into them\)",
        ),
        (pl.Series([True]), "holds values of type Boolean; ids are text or whole numbers: convert the column"),
        (pl.Series([None]), "ids holds nothing but nulls; ids are text or whole numbers"),
        (pl.Series([2**63], dtype=pl.UInt64), "ids has the id 9223372036854775808, too large for 64-bit integers"),
        (
            pl.Series([1, None, "a"], dtype=pl.Object),
            r"mixes types: 1 is int, but 'a' in row 2 \(counted from 0\) is str",
        ),
        (pl.Series([{1}, {2}], dtype=pl.Object), r"holds objects of type set, such as \{1\}; convert them to text"),
    ],
)
def test_refuses(values: pl.Series, words: str) -> None:
    with pytest.raises(DataError, match=words):
        as_ids(values, "ids")


def test_refuses_a_mixed_sequence_and_a_single_text() -> None:
    with pytest.raises(DataError, match="column 'x' mixes types: 1 is int, but 'a' in row 1"):
        as_series([1, "a"], "x")  # type: ignore[list-item]
    with pytest.raises(DataError, match=r"ids of 'x' must be a sequence, but 'abc' is a single id; write \['abc'\]"):
        as_series("abc", "x")


@pytest.mark.parametrize("large", [2**64, 2**200])
def test_a_number_beyond_64_bits_is_named_among_others(large: int) -> None:
    with pytest.raises(
        DataError, match=r"ids has the id \d{20,}, too large for 64-bit integers; convert the column to"
    ):
        as_ids(as_series([5, large], "x"), "ids")


def test_mixed_skips_nulls() -> None:
    assert "'b' in row 3" in str(mixed([None, 1, None, "b"], "x"))


def test_kinds_in_words() -> None:
    assert [kind_of(pl.Series(values)) for values in ([1], [1.5], ["a"], [None], [[1]])] == [
        "whole numbers",
        "decimal numbers",
        "text",
        "nothing but nulls",
        "values of type List(Int64)",
    ]
