"""Rows of a log of events that no task learns from, by their type."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from motet.data.log import EventLog
from motet.tasks import Task

MOST = 5  # types that are named


def unread(train: EventLog, tasks: Iterable[Task]) -> str:
    """Count the rows that no task learns from: other spellings of a type, types without a task, rows without a type.

    Args:
        train: The training rows.
        tasks: The tasks.

    Returns:
        How many there are of each type, most frequent first; empty if there are none, or the log has no types.
    """
    name = train.schema.event
    if name is None:
        return ""
    batch, read = train.batch(), torch.zeros(len(train), dtype=torch.bool)
    for task in tasks:
        if task.has_columns(batch):
            read |= task.training_weights(batch) > 0
    if read.all():
        return ""
    counts = train.columns[name][~read].bincount()
    types = [row for row in counts.argsort(descending=True, stable=True).tolist() if counts[row]]
    words = [f"{_named(train, name, row)} ({int(counts[row]):,})" for row in types[:MOST]]
    if len(types) > MOST:
        words.append(f"{len(types) - MOST:,} more types")
    return f"No task learns from {int((~read).sum()):,} of {len(train):,} training rows: {', '.join(words)}."


def _named(train: EventLog, name: str, row: int) -> str:
    return f"{name} {train.vocabs[name].decode([row])[0]!r}" if row else f"no {name}"
