"""Leaks: signs that metrics are too optimistic, in the rows of test and training and in the metrics themselves."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import torch

from motet.data.log import EventLog
from motet.metrics.bounds import ERRORS

RANKINGS = ("ndcg", "mrr")
PERFECT = 0.999  # AUC, NDCG or MRR above which a metric is implausible
NEGLIGIBLE = 0.01  # share of a simple rule's error below which an error is implausible


def interleaved_rows(test: EventLog, train: EventLog) -> list[str]:
    """Check whether test rows precede training rows of the same user.

    Args:
        test: Held-out rows.
        train: Training rows.

    Returns:
        At most one warning; none if the log has no time.
    """
    time = train.schema.time
    if time is None or time not in test.columns or not len(train):
        return []
    before, after = train.batch(), test.batch()
    times = before[time].double()
    last = torch.full((len(train.users),), -torch.inf, dtype=torch.float64)
    last.scatter_reduce_(0, before.users, times, "amax")
    early = int(((after[time].double() < last[after.users]) & (after.users > 0)).sum())
    if not early:
        return []
    return [
        f"{early:,} of {len(test):,} test rows precede a training row of the same user: training has seen later "
        "events of these users, unlike in production; split by time for a realistic estimate"
    ]


def duplicated_rows(test: EventLog, train: EventLog) -> list[str]:
    """Count test rows that are training rows as well, equal in every column.

    Args:
        test: Held-out rows.
        train: Training rows.

    Returns:
        At most one warning. None if the log has no time, since users may then have two equal events.
    """
    time = train.schema.time
    if time is None or time not in test.columns:
        return []
    shared = [name for name, values in test.columns.items() if name in train.columns and values.ndim == 1]
    mine, theirs = (
        pl.DataFrame({name: log.columns[name].numpy() for name in shared}).with_columns(pl.col(time).cast(pl.Float64))
        for log in (test, train)
    )
    same_pair = theirs.join(mine, on=[test.users.key, test.items.key], how="semi")  # first, so that few rows are left
    duplicates = len(mine.join(same_pair, on=shared, how="semi"))
    if not duplicates:
        return []
    return [
        f"{duplicates:,} of {len(test):,} test rows are training rows as well, equal in every column, so that the "
        "model has seen their labels; leave them out of either"
    ]


def unseen_entities(test: EventLog, train: EventLog) -> list[str]:
    """Count test users, test items and types of test events without a training row.

    Args:
        test: Held-out rows.
        train: Training rows.

    Returns:
        Warnings about users, about items and about types of events, if there are any.
    """
    found = []
    for side, key in (("users", train.users.key), ("items", train.items.key)):
        mine, theirs = test.columns[key].unique(), train.columns[key].unique()
        mine = mine[mine > 0]
        missing = int((~torch.isin(mine, theirs)).sum())
        unknown = int((test.columns[key] == 0).sum())
        if missing:
            found.append(f"{missing:,} of {len(mine):,} test {side} have no training row")
        if unknown:
            found.append(f"{unknown:,} test rows have unknown {side}")
    event = train.schema.event
    if event is not None and event in test.columns:
        strange = int((~torch.isin(test.columns[event], train.columns[event].unique())).sum())
        if strange:
            found.append(
                f"{strange:,} of {len(test):,} test rows have a value of {event!r} that no training row has, or none"
            )
    return found


def implausible_metrics(
    figures: Mapping[str, float], beside: Mapping[str, Mapping[str, float]], *, catalogue: int
) -> list[str]:
    """Find implausibly good metrics.

    Args:
        figures: Metrics by key.
        beside: The same metrics of simple rules.
        catalogue: Number of items; every ranking of a single item is perfect.

    Returns:
        A warning for each AUC, NDCG or MRR above .999 that no simple rule reaches, and each error below a hundredth of
        a simple rule's.
    """
    found = []
    for key, figure in figures.items():
        metric = key.rpartition("/")[2].partition("@")[0]
        rules = [rule[key] for rule in beside.values() if key in rule]
        small = metric in ERRORS and figure <= NEGLIGIBLE * max(rules, default=0.1)
        meaningful = metric == "auc" or (metric in RANKINGS and catalogue > 1)
        large = meaningful and figure > PERFECT and not any(rule > PERFECT for rule in rules)
        if small or large:
            found.append(
                f"{key} is {figure:.4g}, which is too good to be true: look for a feature that holds the label, and "
                "for test rows among the training rows"
            )
    return found
