"""Split: training and test rows of a log, and a report of how they were chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from motet.arguments import checked
from motet.data.log import EventLog
from motet.data.seed import seeded
from motet.errors import ConfigError, DataError


@dataclass(frozen=True)
class Split:
    """Two parts of a log; unpacks as `train, test = split`.

    Attributes:
        train: Rows to train on.
        test: Held-out rows.
        report: How the rows were chosen, how many there are, and how much of the test is unknown to training.
    """

    train: EventLog
    test: EventLog
    report: str

    def __iter__(self) -> Iterator[EventLog]:
        return iter((self.train, self.test))


def random(log: EventLog, *, train: int | float | None = None, test: int | float, seed: int = 0) -> Split:
    """Split rows at random, regardless of their users.

    Args:
        log: All rows.
        train: Number of rows (int) or fraction of all rows (float); all rows outside the test by default.
        test: Number of rows (int) or fraction of all rows (float).
        seed: The same seed gives the same rows, on any number of threads.

    Returns:
        Disjoint parts, each in the order of the log.

    Raises:
        ConfigError: If a count or a fraction is out of range, the two together exceed the log, or the seed is not a
            whole number of at most 64 bits.
        DataError: If the log has no rows.
    """
    held_out = _count(test, log, "test")
    kept = len(log) - held_out if train is None else _count(train, log, "train")
    if isinstance(train, float) and isinstance(test, float) and abs(train + test - 1) < 1e-9:
        kept = len(log) - held_out
    if not kept or kept + held_out > len(log):
        raise ConfigError(
            f"train={train} and test={test} ask for {kept:,} + {held_out:,} rows, but the log has {len(log):,}; "
            "ask for fewer, and leave at least one row to train on"
        )
    order = torch.randperm(len(log), generator=seeded(seed))
    return _split(log, order[:kept], order[kept : kept + held_out], f"Random rows, seed {seed}")


def by_time(log: EventLog, *, test: int | float) -> Split:
    """Hold out the latest rows, regardless of their users.

    Args:
        log: All rows; its schema names a time column.
        test: Number of latest rows (int) or fraction of all rows (float). Rows of equal time keep the log's order.

    Returns:
        Training rows, none later than the first test row, and test rows.

    Raises:
        ConfigError: If the schema has no time, or the count or fraction is out of range.
        DataError: If the log has no rows.
    """
    times = _times(log, "by_time")
    held_out = _count(test, log, "test")
    if held_out == len(log):
        raise ConfigError(f"test={test} takes all {len(log):,} rows of the log; leave at least one row to train on")
    order = times.argsort(stable=True)
    return _split(log, order[:-held_out], order[-held_out:], "The latest rows are the test")


@checked
def leave_last_out(log: EventLog, *, n: int = 1) -> Split:
    """Hold out the last rows of every user.

    Args:
        log: All rows; its schema names a time column. Rows of equal time keep the log's order.
        n: How many rows to hold out per user. Users with n rows or fewer, and unknown users, stay in training.

    Returns:
        Training rows and test rows.

    Raises:
        ConfigError: If the schema has no time or n is below 1.
        DataError: If no user has more than n rows.
    """
    times = _times(log, "leave_last_out")
    if n < 1:
        raise ConfigError(f"n={n} is out of range: leave out 1 or more rows of each user")
    users = log.columns[log.schema.user]
    by_time = times.argsort(stable=True)
    order = by_time[users[by_time].argsort(stable=True)]
    counts = torch.bincount(users, minlength=len(log.users))
    ends = counts.cumsum(0)
    grouped = users[order]
    from_end = ends[grouped] - torch.arange(len(log))
    last = (from_end <= n) & (counts[grouped] > n) & (grouped > 0)  # unknown users are not one user
    if not last.any():
        raise DataError(f"no user has more than n={n} rows, so there is nothing to leave out; use a smaller n")
    short = int(((counts > 0) & (counts <= n))[1:].sum())
    how = f"The last {n} rows of each user are the test" if n > 1 else "The last row of each user is the test"
    return _split(log, order[~last], order[last], f"{how} ({short:,} users with too few rows stay in training whole)")


def _count(size: object, log: EventLog, name: str) -> int:
    if not len(log):
        raise DataError("the log has no rows to split; read one with rows, or loosen the condition that chose them")
    if isinstance(size, bool) or not isinstance(size, int | float):
        raise ConfigError(f"{name}={size!r} is neither a number of rows (int) nor a fraction of the log (float)")
    if isinstance(size, float):
        if not 0 < size < 1:
            raise ConfigError(f"{name}={size} is out of range: a fraction lies between 0 and 1; write an int for rows")
        return max(1, round(size * len(log)))
    if not 0 < size <= len(log):
        raise ConfigError(f"{name}={size:,} rows is out of range: the log has {len(log):,}; ask for 1 to {len(log):,}")
    return size


def _times(log: EventLog, name: str) -> Tensor:
    if log.schema.time is None:
        raise ConfigError(f"{name} needs the time of each event: name its column in the schema, time='...'")
    return log.columns[log.schema.time]


def _split(log: EventLog, train: Int[Tensor, " a"], test: Int[Tensor, " b"], how: str) -> Split:
    parts = log.take(_ascending(train, len(log))), log.take(_ascending(test, len(log)))
    return Split(*parts, report=_report(log, *parts, how))


def _ascending(rows: Int[Tensor, " n"], size: int) -> Int[Tensor, " n"]:
    """Sort by marking, in a tenth of the time of a sort."""
    chosen = torch.zeros(size, dtype=torch.bool)
    chosen[rows] = True
    return chosen.nonzero()[:, 0]


def _report(log: EventLog, train: EventLog, test: EventLog, how: str) -> str:
    out = len(log) - len(train) - len(test)
    left = f", {out:,} left out" if out else ""
    lines = [f"{how}: {len(train):,} to train on and {len(test):,} to test, of {len(log):,}{left}."]
    for name, key, size in (("users", log.users.key, len(log.users)), ("items", log.items.key, len(log.items))):
        known = torch.bincount(train.columns[key], minlength=size)[1:] > 0  # the unknown are not one user
        asked = torch.bincount(test.columns[key], minlength=size)[1:]
        new = asked * ~known
        lines.append(
            f"Training has {int(known.sum()):,} {name}; the test has {int((asked > 0).sum()):,}, "
            f"of which {int((new > 0).sum()):,} (in {int(new.sum()):,} rows) are not in training."
        )
    return " ".join(lines)
