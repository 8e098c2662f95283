"""Recent: what each user did before a row, as columns of the log: their latest items and their sessions."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Int, Real
from torch import Tensor

from motet.arguments import checked
from motet.data.batch import Batch, Columns
from motet.data.expression import Expression
from motet.data.log import EventLog
from motet.errors import ConfigError, DataError

MINUTE_S = 60.0
Events = tuple[Int[Tensor, " past"], Int[Tensor, " past"], Real[Tensor, " past"]]  # users, items, times


@checked
def recent(
    log: EventLog, length: int, *, where: str | None = None, before: EventLog | None = None, name: str = "recent"
) -> EventLog:
    """Add a column [rows, length]: the latest items of the row's user before the time of the row, newest last.

    Only strictly earlier events count: simultaneous events do not see each other, and no row sees itself. Rows with
    fewer than `length` items are padded in front with 0. Unknown users have no past, and unknown items are left out.

    Also adds `name_events`, the number of earlier events, which tells `check_recent` whether a log still holds all of
    them; and `name_counts`: whether the row counts as history for later rows.

    Args:
        log: Its schema names a time.
        length: The largest number of items per row.
        where: Condition on the events that count as history, such as `"event == 'purchase'"`; all by default.
        before: Another log whose events are history too: with `recent(test, 20, before=train)` a held-out row sees
            everything before it.
        name: Name of the column.

    Returns:
        The same rows with the column, in the same order.

    Raises:
        ConfigError: If the schema has no time, `length` is below 1, or the name is taken.
        DataError: If the two logs number their users or items differently.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [7, 7, 7, 9], "item_id": [1, 2, 3, 1], "time": [10, 20, 30, 30]})
        >>> recent(EventLog.read(events, Schema(time="time")), 2).columns["recent"]
        tensor([[0, 0],
                [0, 1],
                [1, 2],
                [0, 0]])
    """
    if length < 1:
        raise ConfigError(f"length={length}; a row sees at least one recent item")
    taken = [column for column in (name, f"{name}_events", f"{name}_counts") if column in log.schema.columns]
    if taken:
        raise ConfigError(f"the log already has a column {taken[0]!r}; give the recent items another name")
    batch = log.batch()
    times = _times(batch, "recent")
    pasts = [batch] if before is None else [_same_rows(log, before).batch(), batch]
    condition = None if where is None else Expression(where)
    counts = [_counting(past, condition) for past in pasts]
    history = [past.take(counted) for past, counted in zip(pasts, counts, strict=True)]
    found, events = _windows(_events(history, "recent"), batch.users, times, length)
    columns = {**log.columns, name: found, f"{name}_events": events, f"{name}_counts": counts[-1]}
    return replace(log, columns=columns, recents={**log.recents, name: {"length": length, "where": where}})


def recent_like(log: EventLog, train: EventLog) -> EventLog:
    """Add to later rows the columns of recent items that a training log has, or had when it was saved.

    Args:
        log: Rows later than those of `train`, read with `train.encode(...)`.
        train: The training log; its events are history too.

    Returns:
        The same rows with the columns; the log itself if the training log has none.

    Raises:
        DataError: If the two logs number their users or items differently, or a condition reads a missing column.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [7, 7], "item_id": [1, 2], "time": [10, 20]})
        >>> train = recent(EventLog.read(events, Schema(time="time")), 2)
        >>> later = pl.DataFrame({"user_id": [7], "item_id": [1], "time": [30]})
        >>> recent_like(train.encode(later), train).columns["recent"]
        tensor([[1, 2]])
    """
    for name, how in train.recents.items():
        log = recent(log, how["length"], where=how["where"], before=train, name=name)
    return log


def latest(log: Columns, users: int, length: int, *, name: str = "recent") -> Int[Tensor, "users length"]:
    """The latest items of every user at the end of a log, newest last: the sequences used in serving.

    Args:
        log: A log with the column that `recent` adds.
        users: Number of user rows, including the unknown user.
        length: Number of items per user.
        name: Name of the column.

    Returns:
        Item rows by user row, padded in front with 0.
    """
    batch = log.batch()
    times = _times(batch, "latest")
    column = batch[name]
    everyone = torch.arange(users, device=times.device)
    if not len(times):
        return everyone.new_zeros(users, length)
    history = _events([_counted(batch, name)], "latest")
    own, _ = _windows(history, everyone, (times.max() + 1).expand(users), length)
    # What a user had in an earlier log stands in the first row of that user in this one.
    events = torch.bincount(batch.users, minlength=users)
    begins = (events.cumsum(0) - events).clamp(max=len(times) - 1)
    first = _by_user_and_time(batch.users, times)[begins]
    whole = torch.cat([column[first] * (events > 0)[:, None], own], 1)
    pushed = (whole > 0).to(torch.uint8).argsort(dim=1, stable=True)
    return whole.gather(1, pushed)[:, -length:] * (everyone > 0)[:, None]


def check_recent(log: Columns, *, name: str = "recent", before: Columns | None = None) -> None:
    """Check that the recent items of no row come from its future.

    Every item needs an event of the same user that is earlier than the row, in the log or in `before`. Rows are skipped
    if `recent` saw more events than are here: events of an earlier log, or rows that were removed since.

    Args:
        log: A log with a column of recent items.
        name: Name of the column.
        before: The earlier log that the column was built from.

    Raises:
        DataError: If the log has no such column or no time, or an item has no event before its row.
    """
    batch = log.batch()
    if name not in batch:
        raise DataError(
            f"the log has no column {name!r} of recent items; add it: recent(log, length, name={name!r}), or in a "
            "project file as a table [recent]"
        )
    column, times = batch[name], _times(batch, "check_recent")
    if column.ndim != 2 or column.is_floating_point():
        raise DataError(
            f"column {name!r} has shape {tuple(column.shape)} and type {column.dtype}; recent items are item rows of "
            "shape [rows, length], as recent(log, length) makes them"
        )
    if not len(times):
        return
    pasts = [batch] if before is None else [before.batch(), batch]
    late = _late(column, batch, pasts)
    if f"{name}_events" in batch:
        history = _events([_counted(past, name) for past in pasts], "check_recent")
        _, events = _windows(history, batch.users, times, 1)
        late &= (events == batch[f"{name}_events"])[:, None]
    if late.any():
        row, place = late.nonzero()[0].tolist()
        raise DataError(
            f"{name!r} looks into the future in {int(late.any(1).sum()):,} rows: the first is row {row} (counted from "
            f"0), at time {times[row].item()}, and its user has no earlier event with item row "
            f"{column[row, place].item()}; build the column with recent(log, length), or recent(test, length, "
            "before=train) for held-out rows"
        )


@checked
def sessions(log: EventLog, gap_minutes: float, *, name: str = "session") -> EventLog:
    """Add a column with the number of the user's session, counted from 1; 0 for unknown users.

    Args:
        log: Its schema names a time.
        gap_minutes: A session ends when the user does nothing for longer than this; web analytics use 30.
        name: Name of the column.

    Returns:
        The same rows with the column, in the same order.

    Raises:
        ConfigError: If the schema has no time, the gap is negative, or the name is taken.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [7, 7, 7], "item_id": [1, 2, 3], "time": [0, 60, 7200]})
        >>> sessions(EventLog.read(events, Schema(time="time")), 30).columns["session"]
        tensor([1, 1, 2])
    """
    if not gap_minutes >= 0:
        raise ConfigError(f"gap_minutes={gap_minutes}; the gap that ends a session is 0 minutes or more")
    if name in log.schema.columns:
        raise ConfigError(f"the log already has a column {name!r}; give the sessions another name")
    batch = log.batch()
    times = _times(batch, "sessions")
    order = _by_user_and_time(batch.users, times)
    users, ordered = batch.users[order], times[order]
    starts = torch.ones(len(order), dtype=torch.bool, device=order.device)
    starts[1:] = (users.diff() != 0) | (ordered.diff() > gap_minutes * MINUTE_S)
    numbers = starts.cumsum(0)
    events = torch.bincount(users, minlength=len(log.users))
    begins = (events.cumsum(0) - events)[users]
    column = torch.zeros_like(batch.users)
    column[order] = (numbers - numbers[begins] + 1) * (users > 0)
    return replace(log, columns={**log.columns, name: column})


def _windows(
    history: Events,
    users: Int[Tensor, " rows"],
    times: Real[Tensor, " rows"],
    length: int,
) -> tuple[Int[Tensor, "rows length"], Int[Tensor, " rows"]]:
    """The last items of each user before a time, and the total number of earlier events."""
    who, items, moments = history
    if not len(who):
        return users.new_zeros(len(users), length), torch.zeros_like(users)
    known, rank = torch.cat([moments, times]).unique(return_inverse=True)
    keys, order = (who * len(known) + rank[: len(who)]).sort(stable=True)
    ends = torch.searchsorted(keys, users * len(known) + rank[len(who) :])
    starts = torch.searchsorted(keys, users * len(known))
    places = ends[:, None] - torch.arange(length, 0, -1, device=users.device)
    there = places >= starts[:, None]
    return items[order][places.clamp(min=0)] * there, ends - starts


def _late(column: Int[Tensor, "rows length"], batch: Batch, pasts: list[Batch]) -> Bool[Tensor, "rows length"]:
    """Which items have no event of the row's user before the row."""
    times = _times(batch, "check_recent")
    users, items, moments = _events(pasts, "check_recent")
    width = int(torch.maximum(items.max(), column.max())) + 1
    pairs, index = (users * width + items).unique(return_inverse=True)
    moments = moments.double()
    earliest = moments.new_full((len(pairs),), float("inf")).scatter_reduce(0, index, moments, "amin")
    wanted = batch.users[:, None] * width + column
    place = torch.searchsorted(pairs, wanted).clamp(max=len(pairs) - 1)
    late: Tensor = (column > 0) & ((pairs[place] != wanted) | (earliest[place] >= times[:, None]))
    return late


def _events(pasts: list[Batch], of: str) -> Events:
    """The concatenated events of several logs."""
    parts = ([past.users for past in pasts], [past.items for past in pasts], [_times(past, of) for past in pasts])
    users, items, moments = map(torch.cat, parts)
    return users, items, moments


def _by_user_and_time(users: Int[Tensor, " rows"], times: Real[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    order = times.argsort(stable=True)
    return order[users[order].argsort(stable=True)]


def _counting(batch: Batch, condition: Expression | None) -> Bool[Tensor, " rows"]:
    """Which events are history: those that meet the condition, of known users and items."""
    counted = (batch.users > 0) & (batch.items > 0)
    return counted if condition is None else counted & condition(batch)


def _counted(batch: Batch, name: str) -> Batch:
    """The events that counted as history when the column was made."""
    counted = _counting(batch, None)
    return batch.take(counted & batch.columns.get(f"{name}_counts", counted))


def _times(batch: Batch, of: str) -> Tensor:
    if batch.time_key is None:
        raise ConfigError(f"{of} needs the time of each event: name its column in the schema, time='...'")
    times: Tensor = batch[batch.time_key]
    return times


def _same_rows(log: EventLog, before: EventLog) -> EventLog:
    for side, other in ((log.users, before.users), (log.items, before.items)):
        if side is not other and side.vocab != other.vocab:
            raise DataError(
                f"the log and the one before it number {side.key!r} differently; take both from one split, or read "
                "the later one with before.encode(...)"
            )
    return before
