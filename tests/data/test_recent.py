"""Recent items and sessions, against loops over the rows."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
import torch

from motet import split
from motet.data.log import EventLog
from motet.data.recent import check_recent, latest, recent, sessions
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError


def make(rows: int = 80, seed: int = 0) -> EventLog:
    """Few moments, so that many events of a user have the same one."""
    draw = torch.Generator().manual_seed(seed)
    events = {
        "user_id": torch.randint(0, 6, (rows,), generator=draw).tolist(),
        "item_id": torch.randint(0, 9, (rows,), generator=draw).tolist(),
        "time": torch.randint(0, 20, (rows,), generator=draw).tolist(),
        "event": [("view", "buy")[int(flip)] for flip in torch.randint(0, 2, (rows,), generator=draw)],
    }
    return EventLog.read(pl.DataFrame(events), Schema(time="time", event="event"))


def by_hand(row: int, log: EventLog, logs: list[EventLog], length: int, buys: bool = False) -> list[int]:
    user, time = log.columns["user_id"][row], log.columns["time"][row]
    past = []
    for other in logs:
        kinds = other.vocabs["event"].decode(other.columns["event"])
        past += [
            (int(when), int(item))
            for who, item, when, kind in zip(
                other.columns["user_id"], other.columns["item_id"], other.columns["time"], kinds, strict=True
            )
            if who == user and when < time and (kind == "buy" or not buys)
        ]
    items = [item for _, item in sorted(past, key=lambda event: event[0])][-length:]
    return [0] * (length - len(items)) + items


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("length", [1, 4, 50])
def test_a_loop_over_the_rows_finds_the_same(length: int, seed: int) -> None:
    log = make(seed=seed)
    column = recent(log, length).columns["recent"]
    assert column.tolist() == [by_hand(row, log, [log], length) for row in range(len(log))]


def test_held_out_rows_see_both_logs_up_to_their_moment() -> None:
    train, test = split.by_time(make(), test=30)
    held_out = recent(test, 5, before=train)
    assert held_out.columns["recent"].tolist() == [by_hand(row, test, [train, test], 5) for row in range(len(test))]
    check_recent(held_out)
    check_recent(held_out, before=train)


def test_a_condition_chooses_the_history() -> None:
    log = recent(make(), 3, where="event == 'buy'", name="bought")
    assert log.columns["bought"].tolist() == [by_hand(row, log, [log], 3, buys=True) for row in range(len(log))]
    buys = (log.vocabs["event"].decode(log.columns["event"]) == "buy").to_list()
    assert log.columns["bought_counts"].tolist() == buys


def test_columns_travel_with_the_rows() -> None:
    log = recent(make(), 3)
    rows = torch.tensor([5, 2])
    assert torch.equal(log.take(rows).batch()["recent"], log.columns["recent"][rows])
    frame = log.frame()
    raw = [log.items.vocab.decode([row])[0] for row in log.columns["recent"][5].tolist()]
    assert frame["recent"][5].to_list() == raw


def test_unknown_users_have_no_past_and_unknown_items_leave_no_trace() -> None:
    log = make()
    more = pl.DataFrame(
        {"user_id": [99, 99, 1, 1], "item_id": [1, 2, 99, 1], "time": [30, 31, 30, 31], "event": ["buy"] * 4}
    )
    later = recent(log.encode(more), 2)
    assert later.columns["recent"].tolist() == [[0, 0]] * 4


@pytest.mark.parametrize("where", [None, "event == 'buy'"])
@pytest.mark.parametrize("start", [0, 12])
def test_latest_is_what_a_row_after_the_end_would_see(where: str | None, start: int) -> None:
    log = make()
    end = pl.DataFrame({"user_id": range(6), "item_id": [0] * 6, "time": [99] * 6, "event": ["view"] * 6})
    expected = recent(log.encode(end), 4, before=log, where=where).columns["recent"]
    older, newer = (log.take(part) for part in (log.columns["time"] < start, log.columns["time"] >= start))
    newer = recent(newer, 4, where=where, before=older if start else None)
    found = latest(newer, len(log.users), 4)
    seen = torch.bincount(newer.columns["user_id"], minlength=7)[1:] > 0
    assert seen.sum() > 3
    assert torch.equal(found[1:][seen], expected[seen])
    assert not found[0].any()


def test_looking_into_the_future_is_found() -> None:
    log = recent(make(), 3)
    check_recent(log)
    column = log.columns["recent"].clone()
    row = int(log.columns["time"].argmin())
    column[row, -1] = log.columns["item_id"][row]  # the row itself is no past either
    item = int(log.columns["item_id"][row])
    with pytest.raises(
        DataError,
        match=rf"'recent' looks into the future in 1 rows: the first is row {row} \(counted from 0\), at time 0, and "
        rf"its user has no earlier event with item row {item}; build the column with recent\(log, length\)",
    ):
        check_recent(replace(log, columns={**log.columns, "recent": column}))


def test_an_item_the_user_never_had_is_found() -> None:
    log = recent(make(), 3)
    users, items = log.columns["user_id"], log.columns["item_id"]
    log = log.take((users != 2) | (items != 9))
    log = recent(replace(log, columns={name: log.columns[name] for name in log.schema.columns}), 3)
    log.columns["recent"][log.columns["user_id"] == 2, 0] = 9
    with pytest.raises(DataError, match="and its user has no earlier event with item row 9; build the column with"):
        check_recent(log)


def test_a_column_of_ones_own_is_judged_by_the_log_alone() -> None:
    log = recent(make(), 3)
    columns = {name: column for name, column in log.columns.items() if name != "recent_events"}
    check_recent(replace(log, columns=columns))
    with pytest.raises(DataError, match="'recent' looks into the future in"):
        check_recent(replace(log, columns={**columns, "recent": columns["recent"].roll(1, 0)}))


@pytest.mark.parametrize("where", [None, "event == 'buy'"])
def test_rows_left_out_since_raise_no_alarm(where: str | None) -> None:
    log = recent(make(), 3, where=where)
    for seed in range(20):
        rows = torch.randperm(len(log), generator=torch.Generator().manual_seed(seed))[:40]
        check_recent(log.take(rows))


def test_both_logs_together_judge_held_out_rows() -> None:
    train, test = split.by_time(make(), test=30)
    held_out = recent(test, 5, before=train)
    column, items = held_out.columns["recent"], held_out.columns["item_id"].tolist()
    new = next(row for row in range(30) if items[row] not in by_hand(row, test, [train, test], 99))
    column[new, 4] = items[new]
    check_recent(held_out)  # alone it does not hold the history
    with pytest.raises(DataError, match=f"'recent' looks into the future in 1 rows: the first is row {new} "):
        check_recent(held_out, before=train)


def test_sessions_by_hand() -> None:
    log = make()
    column = sessions(log, 2 / 60).columns["session"]
    for user in range(1, 7):
        mine = (log.columns["user_id"] == user).nonzero()[:, 0].tolist()
        number, last = 0, -99
        for row in sorted(mine, key=lambda row: int(log.columns["time"][row])):
            now = int(log.columns["time"][row])
            number += now - last > 2
            last = now
            assert column[row] == number
    assert sessions(log.encode(log.frame().with_columns(user_id=pl.lit(99))), 30).columns["session"].sum() == 0


def test_many_rows_take_no_loop() -> None:
    draw = torch.Generator().manual_seed(0)
    log = make()
    columns = {
        "user_id": torch.randint(1, 7, (300_000,), generator=draw),
        "item_id": torch.randint(1, 10, (300_000,), generator=draw),
        "time": torch.randint(0, 1 << 40, (300_000,), generator=draw),
        "event": torch.ones(300_000, dtype=torch.int64),
    }
    big = replace(log, columns=columns)
    assert recent(big, 10).columns["recent"].shape == (300_000, 10)
    assert sessions(big, 30).columns["session"].max() > 1


def test_nobody_has_a_past_in_an_empty_log() -> None:
    empty = recent(make().take(torch.zeros(0, dtype=torch.int64)), 3)
    check_recent(empty)
    assert torch.equal(latest(empty, 5, 3), torch.zeros(5, 3, dtype=torch.int64))


def test_mistakes() -> None:
    log = make()
    timeless = EventLog.read(pl.DataFrame({"user_id": [1], "item_id": [2]}), Schema())
    with pytest.raises(ConfigError, match="recent needs the time of each event: name its column in the schema"):
        recent(timeless, 3)
    with pytest.raises(ConfigError, match="sessions needs the time of each event"):
        sessions(timeless, 30)
    with pytest.raises(ConfigError, match="length=0; a row sees at least one recent item"):
        recent(log, 0)
    with pytest.raises(ConfigError, match="the log already has a column 'event'; give the recent items another"):
        recent(log, 3, name="event")
    taken = replace(log.schema, signals=("x_events",))
    with pytest.raises(ConfigError, match="the log already has a column 'x_events'; give the recent items another"):
        recent(replace(log, schema=taken), 3, name="x")
    with pytest.raises(ConfigError, match="the log already has a column 'time'; give the sessions another name"):
        sessions(log, 3, name="time")
    with pytest.raises(ConfigError, match="gap_minutes=-1; the gap that ends a session is 0 minutes or more"):
        sessions(log, -1)
    with pytest.raises(DataError, match="the log and the one before it number 'user_id' differently; take both from"):
        recent(log, 3, before=EventLog.read(log.frame().head(3), log.schema))
    with pytest.raises(DataError, match=r"the log has no column 'past' of recent items; add it: recent\(log, length"):
        check_recent(log, name="past")
    with pytest.raises(DataError, match=r"column 'time' has shape \(80,\) and type torch.int64; recent items are item"):
        check_recent(log, name="time")
