"""Further logs of a project: joined with its events into one log, and separated again into the batches of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from motet.data.log import EventLog
from motet.data.mix import Mix
from motet.data.pair_features import PairFeatures
from motet.data.schema import Schema
from motet.errors import DataError
from motet.model import Model

ORIGIN = "log"  # column with the number of each row's log; 0 is the events


def join(events: EventLog, others: Sequence[EventLog]) -> EventLog:
    """Join logs, so that a split divides all of them at the same time.

    Args:
        events: The first log.
        others: Logs encoded with its users and items.

    Returns:
        A log with the signals of all logs, null where a log lacks one, and a column `log`; the first log itself if
        there are no others.

    Raises:
        DataError: If the logs do not fit together, or have a column called `log`.
    """
    if not others:
        return events
    logs = [events, *others]
    if any(ORIGIN in log.columns for log in logs):
        raise DataError(
            f"a column is called {ORIGIN!r}, the name of the column that numbers the logs of the mix; rename it"
        )
    joined = Mix(logs).log
    signals = dict.fromkeys(name for log in logs for name in log.schema.signals)
    numbers = torch.cat([torch.full((len(log),), row) for row, log in enumerate(logs)])
    schema = replace(events.schema, signals=tuple(signals))
    return replace(joined, schema=schema, columns={**joined.columns, ORIGIN: numbers})


def with_features(rows: EventLog, features: PairFeatures) -> EventLog:
    """Add the counts of each row's user with its item.

    Args:
        rows: Rows of a joined log, or of a single one.
        features: Counted on the training rows.

    Returns:
        The rows with the columns of counts, each over the rows before it. Without times, the counts of a row that
        states an event type would include the row itself, so only rows of further logs that state none get any.
    """
    if rows.schema.time is not None:
        return features.add(rows)
    kinds = rows.columns[str(rows.schema.event)]
    further = (kinds == 0) & (origin(rows) > 0)
    known = features.add(rows.take(further))
    columns = dict(rows.columns)
    for name in features.names:
        columns[name] = torch.full((len(rows),), torch.nan).masked_scatter(further, known.columns[name])
    return replace(rows, schema=known.schema, columns=columns)


def mixed(
    rows: EventLog,
    model: Model,
    schemas: Sequence[Schema],
    ratio: Sequence[float | None] = (),
    *,
    made: Sequence[EventLog] = (),
) -> EventLog | Mix:
    """Separate a joined log into the logs that training draws batches from.

    Args:
        rows: Rows of a joined log.
        model: The model; a log that none of its tasks learns from is left out.
        schemas: Schemas of the events and of each further log.
        ratio: Batches of each further log per batch of the events, then of what was made; None for a share in
            proportion to its rows.
        made: Pairs and lists that were made from the rows.

    Returns:
        A mix; a single log if there is only one, or only one that a task learns from.
    """
    if not ratio:
        return rows
    learning = [task for name, task in model.tasks.items() if model.weights[name] > 0]
    declared = {name for schema in schemas for name in schema.columns}
    labels = {name for log in made for name in log.schema.signals}
    computed = rows.columns.keys() - declared - labels - {ORIGIN}  # sessions, recent items and counts: in every log
    numbers = origin(rows)
    logs = [rows.take(numbers == number) if len(schemas) > 1 else rows for number in range(len(schemas))]
    own = [{*schema.columns, *computed} for schema in schemas]
    logs, own = [*logs, *made], [*own, *(set(log.columns) for log in made)]
    used = [
        number
        for number, columns in enumerate(own)
        if len(logs[number]) and any(columns.issuperset(task.columns) for task in learning)
    ]
    foreign = {name for number in used for name in own[number]}
    parts = [_without(logs[number], foreign - own[number]) for number in used]
    if len(parts) < 2:
        return parts[0] if parts else rows
    counts = [len(log) / max(len(logs[0]), 1) for log in logs]
    shares = [count if share is None else share for count, share in zip(counts, (None, *ratio), strict=True)]
    return Mix(parts, ratio=[shares[number] for number in used])


def origin(rows: EventLog) -> Int[Tensor, " rows"]:
    """Tell from which log each row comes.

    Args:
        rows: Rows of a joined log, or of a single one.

    Returns:
        The number of each row's log; 0 throughout if nothing was joined.
    """
    return rows.columns.get(ORIGIN, torch.zeros(len(rows), dtype=torch.int64))


def _without(log: EventLog, names: set[str]) -> EventLog:
    """A log without the columns of other logs."""
    return replace(log, columns={name: column for name, column in log.columns.items() if name not in names})
