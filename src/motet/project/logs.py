"""Further logs of a project: read beside its events into one log, and mixed into the batches of training again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from motet.data.log import EventLog
from motet.data.mix import Mix
from motet.data.pair_features import PairFeatures
from motet.data.schema import Schema
from motet.errors import DataError
from motet.model import Model

ORIGIN = "log"  # column that says which log a row comes from: 0 is the events


def join(events: EventLog, others: Sequence[EventLog]) -> EventLog:
    """All rows in one log, which a split divides at one moment, whatever log a row comes from.

    Args:
        events: The first log; its own where there are no others.
        others: Read against its users and items.

    Returns:
        A log with the signals of all, unknown where a log does not have them, and a column `log`.

    Raises:
        DataError: If the logs do not fit together, or have a column called `log`.
    """
    if not others:
        return events
    logs = [events, *others]
    if any(ORIGIN in log.columns for log in logs):
        raise DataError(f"a column is called {ORIGIN!r}, which says which log of the mix a row is of; rename it")
    joined = Mix(logs).log
    signals = dict.fromkeys(name for log in logs for name in log.schema.signals)
    origin = torch.cat([torch.full((len(log),), row) for row, log in enumerate(logs)])
    schema = replace(events.schema, signals=tuple(signals))
    return replace(joined, schema=schema, columns={**joined.columns, ORIGIN: origin})


def with_features(rows: EventLog, features: PairFeatures) -> EventLog:
    """Rows with what is known of each user with its item.

    Args:
        rows: Of a joined log, or of a single one that has a time.
        features: Counted on the training rows.

    Returns:
        The same rows with the columns, of what came before each row. Where there are no times, a row of the events
        would be told of itself: only those of further logs are told anything.
    """
    if rows.schema.time is not None:
        return features.add(rows)
    further = rows.columns[ORIGIN] > 0
    known = features.add(rows.take(further))
    columns = dict(rows.columns)
    for name in features.names:
        columns[name] = torch.full((len(rows),), torch.nan).masked_scatter(further, known.columns[name])
    return replace(rows, schema=known.schema, columns=columns)


def mixed(
    rows: EventLog, model: Model, schemas: Sequence[Schema], ratio: Sequence[float | None] = ()
) -> EventLog | Mix:
    """What training takes batches from.

    Args:
        rows: Some rows of a joined log.
        model: A log from which none of its tasks learns is left out.
        schemas: Of the events and of each further log.
        ratio: Of each further log, how many batches there are to one of the events; in proportion to its rows where
            it is None.

    Returns:
        A mix; a single log where there is one, or one alone that a task learns from.
    """
    if not ratio:
        return rows
    learning = [task for name, task in model.tasks.items() if model.weights[name] > 0]
    declared = {name for schema in schemas for name in schema.columns}
    features = rows.schema.context_features.keys() - declared  # made of the events, for rows of any log
    own = [{*schema.columns, *features} for schema in schemas]
    origin = rows.columns[ORIGIN]
    counts = origin.bincount(minlength=len(schemas)).tolist()
    used = [
        number
        for number, columns in enumerate(own)
        if counts[number] and any(columns.issuperset(task.columns) for task in learning)
    ]
    foreign = {name for number in used for name in own[number]}
    logs = [_without(rows.take(origin == number), foreign - own[number]) for number in used]
    if len(logs) < 2:
        return logs[0] if logs else rows
    shares = [counts[row] / max(counts[0], 1) if share is None else share for row, share in enumerate((None, *ratio))]
    return Mix(logs, ratio=[shares[number] for number in used])


def _without(log: EventLog, names: set[str]) -> EventLog:
    """A log as it was before columns of others came in."""
    return replace(log, columns={name: column for name, column in log.columns.items() if name not in names})
