from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.data import split
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError


def make(users: list[int], times: list[int] | None = None) -> EventLog:
    """Events whose item is their position."""
    columns = {"user_id": users, "item_id": list(range(len(users)))}
    if times is None:
        return EventLog.read(pl.DataFrame(columns), Schema())
    return EventLog.read(pl.DataFrame({**columns, "time": times}), Schema(time="time"))


def positions(log: EventLog) -> list[int]:
    return [row - 1 for row in log.columns["item_id"].tolist()]


USERS = st.lists(st.integers(0, 4), min_size=2, max_size=40)


@given(USERS, st.integers(0, 9))
def test_random_parts_are_disjoint_complete_and_in_order(users: list[int], seed: int) -> None:
    train, test = split.random(make(users), test=1, seed=seed)
    assert sorted(positions(train) + positions(test)) == list(range(len(users)))
    assert positions(train) == sorted(positions(train))
    assert len(test) == 1


def test_random_follows_its_seed() -> None:
    log = make([1] * 1000)
    one, same, other = (positions(split.random(log, test=0.2, seed=seed).test) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_random_is_the_same_on_any_number_of_threads() -> None:
    program = (
        "import sys, polars as pl, torch; from motet.data import split, log, schema;"
        "torch.set_num_threads(int(sys.argv[1]));"
        "frame = pl.DataFrame({'user_id': range(50_000), 'item_id': range(50_000)});"
        "part = split.random(log.EventLog.read(frame, schema.Schema()), test=0.5, seed=3).test;"
        "print(part.columns['user_id'].tolist())"
    )
    runs = [subprocess.run([sys.executable, "-c", program, n], capture_output=True, check=True).stdout for n in "14"]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("train", "test", "sizes"),
    [(6, 2, (6, 2)), (None, 3, (7, 3)), (0.7, 0.3, (7, 3)), (None, 0.25, (8, 2)), (0.5, 0.1, (5, 1)), (6, 0.4, (6, 4))],
)
def test_random_sizes(train: float | None, test: float, sizes: tuple[int, int]) -> None:
    parts = split.random(make([1] * 10), train=train, test=test)
    assert (len(parts.train), len(parts.test)) == sizes


@given(st.integers(2, 300), st.floats(0.01, 0.99))
def test_fractions_that_make_a_whole_leave_no_row_out(rows: int, test: float) -> None:
    train, held_out = split.random(make([1] * rows), train=1 - test, test=test)
    assert len(train) + len(held_out) == rows


@given(st.lists(st.integers(0, 9), min_size=2, max_size=40))
def test_by_time_trains_on_nothing_later(times: list[int]) -> None:
    train, test = split.by_time(make([1] * len(times), times), test=1)
    latest = max(times)
    assert positions(test) == [max(at for at, time in enumerate(times) if time == latest)]
    assert len(train) == len(times) - 1


def test_by_time_takes_a_fraction() -> None:
    train, test = split.by_time(make([1, 2, 3, 4], [40, 30, 20, 10]), test=0.5)
    assert positions(train) == [2, 3]
    assert positions(test) == [0, 1]


def last_of_each(users: list[int], times: list[int], n: int) -> list[int]:
    """The definition, user by user."""
    chosen = []
    for user in set(users):
        rows = sorted((time, at) for at, (who, time) in enumerate(zip(users, times, strict=True)) if who == user)
        chosen += [at for _, at in rows[-n:]] if len(rows) > n else []
    return sorted(chosen)


@given(USERS.flatmap(lambda users: st.tuples(st.just(users), st.permutations(range(len(users))))), st.integers(1, 3))
def test_leave_last_out_takes_each_users_last(case: tuple[list[int], list[int]], n: int) -> None:
    users, times = case
    expected = last_of_each(users, [time // 2 for time in times], n)
    log = make(users, [time // 2 for time in times])
    if not expected:
        with pytest.raises(DataError, match=f"no user has more than n={n} rows"):
            split.leave_last_out(log, n=n)
        return
    train, test = split.leave_last_out(log, n=n)
    assert positions(test) == expected
    assert sorted(positions(train) + positions(test)) == list(range(len(users)))


def test_reports() -> None:
    log = make([1, 1, 1, 2, 2, 3], [1, 2, 3, 4, 5, 6])
    assert split.by_time(log, test=2).report == (
        "The latest rows are the test: 4 to train on and 2 to test, of 6. "
        "Training has 2 users; the test has 2, of which 1 (in 1 rows) are not in training. "
        "Training has 4 items; the test has 2, of which 2 (in 2 rows) are not in training."
    )
    report = split.leave_last_out(log).report
    assert report.startswith(
        "The last row of each user is the test (1 users with too few rows stay in training whole): 4 "
    )
    assert split.leave_last_out(log, n=2).report.startswith("The last 2 rows of each user are the test (2 users")
    report = split.random(log, train=2, test=1, seed=5).report
    assert report.startswith("Random rows, seed 5: 2 to train on and 1 to test, of 6, 3 left out. ")


def test_the_unknown_are_no_user_and_no_item_in_the_report() -> None:
    known = make([1, 2], [1, 2])
    rows = known.encode(pl.DataFrame({"user_id": [1, 7, 8, 9], "item_id": [1, 5, 0, 6], "time": [1, 2, 3, 4]}))
    told = split.by_time(rows, test=2).report
    assert "Training has 1 users; the test has 0, of which 0 (in 0 rows) are not in training." in told
    assert "Training has 1 items; the test has 1, of which 1 (in 1 rows) are not in training." in told


def test_movielens_split(movielens: EventLog) -> None:
    train, test = split.random(movielens, train=80_000, test=20_000, seed=42)
    assert (len(train), len(test)) == (80_000, 20_000)
    assert train.users is test.users is movielens.users
    assert abs(float(train.columns["rating"].mean() - test.columns["rating"].mean())) < 0.05
    pairs = torch.cat([part.columns["user_id"] * 10_000 + part.columns["movie_id"] for part in (train, test)])
    assert len(pairs.unique()) == 100_000


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"train": 8, "test": 3}, r"^train=8 and test=3 ask for 8 \+ 3 rows, but the log has 10; ask for fewer"),
        ({"train": 0.9, "test": 0.2}, r"^train=0.9 and test=0.2 ask for 9 \+ 2 rows, but the log has 10"),
        ({"test": 10}, r"^train=None and test=10 ask for 0 \+ 10 rows.*leave at least one row to train on"),
        ({"test": 11}, "^test=11 rows is out of range: the log has 10; ask for 1 to 10"),
        ({"train": 100_000, "test": 1}, "^train=100,000 rows is out of range: the log has 10"),
        ({"test": 0}, "^test=0 rows is out of range"),
        ({"test": -1}, "^test=-1 rows is out of range"),
        ({"test": 0.0}, "^test=0.0 is out of range: a fraction lies between 0 and 1; write an int for rows"),
        ({"test": 1.0}, "^test=1.0 is out of range: a fraction lies between 0 and 1"),
        ({"train": 1.5, "test": 0.5}, "^train=1.5 is out of range"),
        ({"test": float("nan")}, "^test=nan is out of range"),
        ({"test": "half"}, r"^test='half' is neither a number of rows \(int\) nor a fraction of the log \(float\)"),
        ({"test": True}, "^test=True is neither a number of rows"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_random_refuses_sizes(sizes: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        split.random(make([1] * 10), **sizes)  # type: ignore[arg-type]


def test_an_empty_log_is_refused() -> None:
    empty = make([1, 2], [1, 2]).take(torch.zeros(0, dtype=torch.int64))
    for method in (split.random, split.by_time):
        with pytest.raises(DataError, match=r"^the log has no rows to split; read one with rows"):
            method(empty, test=0.5)


def test_by_time_refuses_to_take_all() -> None:
    with pytest.raises(ConfigError, match=r"^test=2 takes all 2 rows of the log; leave at least one row to train on"):
        split.by_time(make([1, 1], [1, 2]), test=2)


def test_leave_last_out_refuses_no_rows() -> None:
    with pytest.raises(ConfigError, match=r"^n=0 is out of range: leave out 1 or more rows of each user"):
        split.leave_last_out(make([1, 1], [1, 2]), n=0)


def test_splits_along_time_need_a_time() -> None:
    with pytest.raises(
        ConfigError, match=r"^by_time needs the time of each event: name its column in the schema, time='...'"
    ):
        split.by_time(make([1, 1]), test=1)
    with pytest.raises(ConfigError, match=r"^leave_last_out needs the time of each event"):
        split.leave_last_out(make([1, 1]))


def test_unknown_users_are_not_one_user() -> None:
    known = make([1, 1], [1, 2])
    rows = pl.DataFrame({"user_id": [7, 8, 9, 1, 1], "item_id": [0, 1, 0, 0, 1], "time": [1, 2, 3, 4, 5]})
    parts = split.leave_last_out(known.encode(rows))
    assert parts.train.columns["time"].tolist() == [1, 2, 3, 4]
    assert parts.test.columns["time"].tolist() == [5]
