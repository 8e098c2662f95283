"""Conditions on rows: a language of its own, parsed and never run."""

from __future__ import annotations

import math

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.data.batch import Batch
from motet.data.expression import Expression
from motet.data.grammar import column_name
from motet.data.log import EventLog
from motet.data.schema import Categorical, Schema
from motet.errors import ConfigError, DataError


@pytest.fixture
def batch() -> Batch:
    events = {
        "user_id": [1, 1, 2, 2, 3],
        "item_id": [5, 6, 5, 7, 8],
        "event": ["view", "purchase", "return", None, "view"],
        "device": ["tv", None, "phone", "tv", "phone"],
        "rating": [5.0, 2.0, None, 4.0, 1.0],
    }
    schema = Schema(event="event", signals=("rating",), context_features={"device": Categorical()})
    return EventLog.read(pl.DataFrame(events), schema).batch()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("event == 'purchase'", [1]),
        ("event != 'view'", [1, 2]),
        ("event in ['view', 'return']", [0, 2, 4]),
        ("event not in ('view', 'return')", [1]),
        ("rating >= 4", [0, 3]),
        ("1 < rating < 5", [1, 3]),
        ("4 <= rating", [0, 3]),
        ("rating == 2 or event == 'view' and device == 'tv'", [0, 1]),
        ("not (rating >= 4)", [1, 2, 4]),
        ("rating > -1 and device == 'phone'", [4]),
        ("rating in [1, 2]", [1, 4]),
        ("  rating >= 4  ", [0, 3]),
        ("item_id == 7", [3]),
        ("item_id in [5, 8.0] and user_id != 3", [0, 2]),
        ("user_id > 1", [2, 3, 4]),
        ("user_id >= 0", [0, 1, 2, 3, 4]),
        ("0 < user_id <= 2.5", [0, 1, 2, 3]),
        ("1e9 > user_id", [0, 1, 2, 3, 4]),
        ("item_id < 5 or item_id > 7.5", [4]),
        ("5.5 <= item_id < 100", [1, 3, 4]),
        ("event < 'r'", [1]),
        ("device > 'q'", [0, 3]),
    ],
)
def test_rows_it_holds_for(batch: Batch, text: str, rows: list[int]) -> None:
    assert Expression(text)(batch).nonzero().squeeze(1).tolist() == rows


@given(
    st.lists(st.floats(-3, 3) | st.just(math.nan), min_size=1, max_size=20),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.integers(-3, 3),
)
def test_comparisons_agree_with_python_and_leave_out_the_unknown(values: list[float], op: str, bound: int) -> None:
    held = Expression(f"x {op} {bound}")(Batch({"user_id": torch.zeros(len(values)).long(), "x": torch.tensor(values)}))
    numbers = torch.tensor(values).tolist()
    assert held.tolist() == [not math.isnan(x) and eval(f"{x!r} {op} {bound}") for x in numbers]


def test_whole_numbers_keep_their_precision_beside_a_float() -> None:
    """As float32, all of these times would be 1.7e9."""
    times = torch.tensor([1_699_999_999, 1_700_000_000, 1_700_000_063])
    batch = Batch({"user_id": torch.ones_like(times), "time": times})
    assert Expression("time > 1.7e9")(batch).tolist() == [False, False, True]
    assert Expression("1.7e9 == time")(batch).tolist() == [False, True, False]
    assert Expression("time in [1700000063.0]")(batch).tolist() == [False, False, True]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rating >=",
        "__import__('os').system('true')",
        "rating.__class__ == 1",
        "(lambda: rating)() == 1",
        "rating + 1 == 2",
        "rating",
        "rating is None",
        "rating in other",
        "[x for x in rating] == 1",
        "1 == 1",
        "rating == None",
        "f'{rating}' == 'x'",
        "rating := 3",
        "(" * 500 + "rating == 1" + ")" * 500,
        "rating == 1\0",
        f"rating < {2**63}",
        f"rating > -{10**400}",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="it takes columns, numbers and 'texts'"):
        Expression(text)


@pytest.mark.parametrize(
    "name", ["event type", "is-click", "return", "1st", "a.b", "it's", 'say "', "x\ny", "column_0", "ﬁlm"]
)
def test_a_column_of_any_name_can_be_named(name: str) -> None:
    said = column_name(name)
    batch = Batch({"user_id": torch.zeros(3).long(), name: torch.tensor([1.0, 2.0, torch.nan])})
    condition = Expression(f"{said}==1 or not {said} < 3 and {said} in [2]")
    assert condition.columns == (name,)
    assert condition(batch).tolist() == [True, False, False]


def test_backticks_within_a_text_are_text(batch: Batch) -> None:
    with pytest.raises(DataError, match="compares 'event' with '`view`', which it never is"):
        Expression("event == '`view`'")(batch)
    assert Expression("`event` == 'view' and rating == 1")(batch).tolist() == [False, False, False, False, True]
    with pytest.raises(DataError, match="reads column 'event typ', which is not in the log"):
        Expression("`event typ` == 'view'")(batch)
    with pytest.raises(ConfigError, match="goes in backticks: `event type` == 'buy'"):
        Expression("event type == 'view'")


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=20),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.floats(-4, 4) | st.integers(-4, 4),
)
def test_ids_are_ordered_as_numbers_whether_or_not_a_bound_is_one_of_them(
    ids: list[int], op: str, bound: float
) -> None:
    log = EventLog.read(pl.DataFrame({"user_id": ids, "item_id": 1}), Schema())
    assert Expression(f"user_id {op} {bound}")(log.batch()).tolist() == [eval(f"{id} {op} {bound}") for id in ids]
    assert Expression(f"{bound} {op} user_id")(log.batch()).tolist() == [eval(f"{bound} {op} {id}") for id in ids]


def test_errors_name_what_was_found(batch: Batch) -> None:
    with pytest.raises(DataError, match="reads column 'ratin', which is not in the log; did you mean 'rating'"):
        Expression("ratin >= 4")(batch)
    wrong = "compares 'event' with 'purchas', which it never is; did you mean 'purchase'. Values found: 'purchase', "
    with pytest.raises(DataError, match=wrong):
        Expression("event == 'purchas'")(batch)
    with pytest.raises(DataError, match="compares the text 'good' with 'rating', which holds numbers"):
        Expression("rating == 'good'")(batch)


def test_columns_are_compared_only_where_they_hold_the_same_values() -> None:
    """Rows of two vocabularies are numbers as well, and equal numbers would mean different values."""
    events = {
        "user_id": [1, 2, 3],
        "item_id": [1, 2, 4],
        "a": ["x", "y", "x"],
        "b": ["y", "y", "x"],
        "c": [1.0, 2.0, 3.0],
    }
    kinds = {"a": Categorical(), "b": Categorical(), "other": Categorical()}
    schema = Schema(signals=("c",), context_features=kinds)
    batch = EventLog.read(pl.DataFrame({**events, "other": ["u", "v", "w"]}), schema).batch()
    assert Expression("a == b")(batch).tolist() == [False, True, True]
    for text in ("a == other", "a == c", "user_id == item_id", "c < a"):
        with pytest.raises(DataError, match="which have different values; compare each of them with a constant"):
            Expression(text)(batch)


def test_ids_and_columns_of_several_values(batch: Batch) -> None:
    with pytest.raises(DataError, match=r"compares 'item_id' with 1, which it never is\. Values found: 5, 6, 7, 8"):
        Expression("item_id == 1")(batch)
    for text in ("item_id > 'm'", "item_id == '5'"):  # not: did you mean '5'?
        with pytest.raises(
            DataError, match=r"with '.', which it never is; it holds whole numbers: leave the quotes out"
        ):
            Expression(text)(batch)
    wide = Batch({**batch.columns, "recent": torch.zeros(5, 3).long()})
    with pytest.raises(DataError, match="reads column 'recent', which holds 3 values a row"):
        Expression("recent == 3")(wide)


def test_the_columns_it_reads() -> None:
    assert Expression("a == 1 and (b > 2 or not a < 3)").columns == ("a", "b")
