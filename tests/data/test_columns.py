from __future__ import annotations

import math
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.data.columns import feature, numbers, timestamps
from motet.data.entities import Bag, Codes, Numbers
from motet.data.place import Place
from motet.data.schema import Categorical, Feature, MultiValued, Numeric, Text, Timestamp
from motet.data.vocab import Vocab
from motet.errors import DataError

WHERE = Place("x", "log.csv")


def series(*values: Any, **options: Any) -> pl.Series:
    return pl.Series("x", values, **options)


def bag_lists(bag: Bag) -> list[list[str]]:
    """The values of each row, in words."""
    ends = bag.offsets.tolist()
    return [bag.vocab.decode(bag.rows[start:end]).to_list() for start, end in pairwise(ends)]


def check_bag(column: pl.Series, kind: Feature, vocab: Vocab | None = None) -> list[list[str]]:
    found = feature(column, kind, WHERE, vocab)
    assert isinstance(found, Bag)
    assert len(found.offsets) == len(column) + 1
    return bag_lists(found)


@pytest.mark.parametrize(
    "column",
    [
        series(4, None),
        series(4.0, None),
        series(4, None, dtype=pl.UInt8),
        series(4, None, dtype=pl.Decimal(4, 1)),
    ],
)
def test_numbers_of_any_width(column: pl.Series) -> None:
    found = numbers(column, WHERE)
    assert found.dtype == torch.float32
    assert found[0] == 4
    assert found[1].isnan()


def test_booleans_are_0_and_1_and_nulls_alone_are_unknown() -> None:
    assert numbers(series(True, False), WHERE).tolist() == [1, 0]
    assert numbers(series(None, None), WHERE).isnan().all()


@pytest.mark.parametrize(
    ("value", "word"), [(math.nan, "NaN"), (math.inf, "inf"), (-math.inf, "-inf"), (1e39, r"1e\+39")]
)
def test_refuses_numbers_that_are_none(value: float, word: str) -> None:
    words = (
        rf"column 'x' of log.csv has {word} in row 1 \(counted from 0\); numbers must be finite in 32 bits: "
        r"write null for an unknown value, for example with Polars: pl.when\(pl.col\('x'\)"
        r".is_finite\(\)\).then\('x'\)"
    )
    with pytest.raises(DataError, match=f"(?i){words}"):
        numbers(series(None, value, 2.0), WHERE)


def test_refuses_text_and_points_at_what_made_it_text() -> None:
    with pytest.raises(
        DataError,
        match=r"column 'x' of log.csv holds text, such as 'five' in row 2 .*, but .* leave them empty \(null\)",
    ):
        numbers(series("4", None, "five"), WHERE)
    with pytest.raises(DataError, match=r"holds text, such as 'nan' in row 1 .*, but .* leave them empty \(null\)"):
        numbers(series("4", "nan"), WHERE)
    with pytest.raises(
        DataError, match=r"holds text, such as '4' in row 1 .* convert the column first.*cast\(pl.Float32\)"
    ):
        numbers(series(None, "4"), WHERE)
    with pytest.raises(DataError, match=r"holds values of type Date, such as datetime.date\(2024, 1, 1\) in row 0"):
        numbers(series(date(2024, 1, 1)), WHERE)
    with pytest.raises(DataError, match=r"holds values of type List\(Int64\), such as \[4\] in row 1"):
        numbers(series(None, [4]), WHERE)


def test_whole_seconds_stay_whole() -> None:
    found = timestamps(series(881250949, dtype=pl.Int32), WHERE)
    assert found.dtype == torch.int64
    assert found.tolist() == [881250949]


MOMENT = datetime(2024, 5, 31, 18, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "column",
    [
        series(MOMENT, None),
        series(MOMENT, None).dt.convert_time_zone("Asia/Tokyo"),
        series(MOMENT.replace(tzinfo=None), None, dtype=pl.Datetime("ms")),
        series("2024-05-31T18:00:00.250", None),
        series("2024-05-31 20:00:00.250+02:00", None),
        series(MOMENT.timestamp(), None),
    ],
)
def test_moments_of_any_form(column: pl.Series) -> None:
    found = timestamps(column, WHERE)
    assert found.dtype == torch.float64
    assert found[0] == MOMENT.timestamp()
    assert found[1].isnan()


def test_dates_are_midnight() -> None:
    assert timestamps(series(date(1970, 1, 2)), WHERE).tolist() == [86400]
    assert timestamps(series("1970-01-02"), WHERE).tolist() == [86400]


def test_refuses_what_is_no_moment() -> None:
    with pytest.raises(
        DataError, match=r"'x' of log.csv has 'soon' in row 1 \(counted from 0\), which is not a time; write ISO"
    ):
        timestamps(series("2024-01-01", "soon"), WHERE)
    with pytest.raises(
        DataError, match="holds values of type Boolean, but times are needed: seconds since 1970, a dat"
    ):
        timestamps(series(True), WHERE)
    for late in (series(0, 1_700_000_000_000), series(0.0, -1.7e12), series(0, 2**63 + 1, dtype=pl.UInt64)):
        with pytest.raises(DataError, match=r"has .* in row 1 .*; times are seconds since 1970, and these look like"):
            timestamps(late, WHERE)
    with pytest.raises(DataError, match=r"has nan in row 0 .*finite"):
        timestamps(series(math.nan), WHERE)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (series("b", None, "a"), ["b", None, "a"]),
        (series(3, 1, None), [3, 1, None]),
        (series(3.0, 1.0, None), [3, 1, None]),
        (series(True, None, False), ["true", None, "false"]),
        (series("b", "a", dtype=pl.Categorical), ["b", "a"]),
        (series(None, None), [None, None]),
    ],
)
def test_categories(column: pl.Series, words: list[object]) -> None:
    found = feature(column, Categorical(), WHERE)
    assert isinstance(found, Codes)
    assert found.vocab.name == "x"
    assert found.vocab.decode(found.rows).to_list() == words


@pytest.mark.parametrize("value", [1.5, math.nan, math.inf, 1e300])
def test_refuses_quantities_as_categories(value: float) -> None:
    words = r"'x' of log.csv is declared Categorical\(\) but has .* in row 1 .*: declare it Numeric\(\), or convert it"
    with pytest.raises(DataError, match=words):
        feature(series(1.0, value), Categorical(), WHERE)


def test_multi_valued_text_and_lists() -> None:
    assert check_bag(series("a|b", "", None, "b| c |"), MultiValued()) == [["a", "b"], [], [], ["b", "c"]]
    assert check_bag(series("a, b"), MultiValued(separator=", ")) == [["a", "b"]]
    assert check_bag(series(["a", "b"], [], None, ["b", None]), MultiValued()) == [["a", "b"], [], [], ["b"]]
    assert check_bag(series(["a", ""], ["b"], dtype=pl.List(pl.Categorical)), MultiValued()) == [["a"], ["b"]]
    assert check_bag(series([1, 2], [2, 2], dtype=pl.Array(pl.Int8, 2)), MultiValued()) == [[1, 2], [2, 2]]
    assert check_bag(series(None, None), MultiValued()) == [[], []]


def test_refuses_what_is_not_multi_valued() -> None:
    with pytest.raises(
        DataError, match=r"declared MultiValued\(\) but holds whole numbers; it needs lists, or text joined by"
    ):
        feature(series(1, 2), MultiValued(), WHERE)
    with pytest.raises(DataError, match=r"column 'x' of log.csv holds decimal numbers"):
        feature(series([1.5]), MultiValued(), WHERE)


def test_text_is_words_in_lower_case() -> None:
    column = series("Les Misérables (1995)", None, "l'été", "—")
    assert check_bag(column, Text()) == [["les", "misérables", "1995"], [], ["l", "été"], []]
    assert check_bag(series(None), Text()) == [[]]


def test_text_keeps_the_most_frequent_words() -> None:
    assert check_bag(series("c a b", "b a", "b"), Text(max_tokens=2)) == [["a", "b"], ["b", "a"], ["b"]]
    assert check_bag(series("c b a"), Text(max_tokens=2)) == [["b", "a"]]  # equally frequent: by the alphabet


def test_refuses_numbers_as_text() -> None:
    with pytest.raises(
        DataError, match=r"column 'x' of log.csv is declared Text\(\) but holds whole numbers; convert it to t"
    ):
        feature(series(1), Text(), WHERE)


def test_known_values_keep_their_rows_and_others_are_unknown() -> None:
    vocab = Vocab.build(["a", "b"], "x")
    codes = feature(series("b", "z"), Categorical(), WHERE, vocab)
    assert isinstance(codes, Codes)
    assert codes.rows.tolist() == [2, 0]
    assert check_bag(series("z|b|a"), MultiValued(), vocab) == [["b", "a"]]
    assert check_bag(series("z b"), Text(), vocab) == [["b"]]


def test_numbers_and_timestamps_as_features() -> None:
    number = feature(series(1, None), Numeric(), WHERE)
    moment = feature(series(1_700_000_001, 1), Timestamp(), WHERE)
    assert isinstance(number, Numbers)
    assert isinstance(moment, Numbers)
    assert number.values.dtype == torch.float32
    assert moment.values.tolist() == [1_700_000_001, 1]  # float32 would round to 128 s


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=3) | st.none(), min_size=1, max_size=8))
def test_lists_and_joined_text_agree(lists: list[list[str] | None]) -> None:
    joined = pl.Series("x", [None if values is None else "|".join(values) for values in lists], dtype=pl.String)
    expected = [values or [] for values in lists]
    assert check_bag(joined, MultiValued()) == expected
    assert check_bag(pl.Series("x", lists, dtype=pl.List(pl.String)), MultiValued()) == expected


def test_text_without_a_value_is_unknown() -> None:
    """As a CSV file gives a column in which every line is empty."""
    empty = series(None, None, dtype=pl.String)
    assert numbers(empty, WHERE).isnan().all()
    assert timestamps(empty, WHERE).isnan().all()


@pytest.mark.parametrize("text", ["03/04/2024", "3.4.2024", "1714500000"])
def test_refuses_dates_that_mean_another_day_elsewhere(text: str) -> None:
    with pytest.raises(
        DataError, match=r"which is not a time; write ISO 8601 such as .* a time zone in all rows or in no"
    ):
        timestamps(series("2024-04-03", text, None), WHERE)


@pytest.mark.parametrize("column", [series(20240531, 20231201), series(20240531.0, None)])
def test_refuses_calendar_dates_as_numbers(column: pl.Series) -> None:
    with pytest.raises(
        DataError, match=r"numbers such as 20240531, which look like calendar dates; .* to text such as '2024-05-31'"
    ):
        timestamps(column, WHERE)
    assert timestamps(pl.concat([column, series(20240532, dtype=column.dtype)]), WHERE)[-1] == 20240532  # as seconds
