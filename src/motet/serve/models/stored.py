"""Stored: what users had since training, as a model is told of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import torch

from motet.data.log import EventLog
from motet.serve.events.event import Had
from motet.serve.models.spelling import spell

Stored = Mapping[str, Sequence[Had]]
LARGEST = torch.finfo(torch.float32).max  # as columns of a log hold numbers


def known_items(log: EventLog, stored: Sequence[Had], history: Sequence[str | int]) -> list[Had]:
    """What a user had, as far as the model knows the items.

    Args:
        log: The training log.
        stored: Of the events since training, the newest first.
        history: Items that a question tells, the oldest first; nothing is said of how the user had them.

    Returns:
        The oldest first, with items as the model spells them.
    """
    had = [*reversed(stored), *(Had(str(item)) for item in history)]
    vocab = log.items.vocab
    spelt = [spell(vocab, each.item) for each in had]
    rows = vocab.encode(pl.Series(vocab.name, spelt, dtype=vocab.ids.dtype)).tolist() if had else []
    return [each._replace(item=id) for each, id, row in zip(had, spelt, rows, strict=True) if row]  # type: ignore[arg-type]


def as_histories(log: EventLog, seen: str | None, had: Mapping[Any, Sequence[Had]]) -> object:
    """The histories to ask a recommender with.

    Args:
        log: The training log.
        seen: Which of its rows count as seen, as `Recommender(seen=...)` has it.
        had: Known items by user, the oldest first.

    Returns:
        Items by user, each as of its last event, where every event counts as seen; else the events as rows of such a
        log.
    """
    if seen is None or not any(had.values()):
        return {
            user: [*reversed(dict.fromkeys(each.item for each in reversed(line)))] for user, line in had.items() if line
        }
    schema = log.schema
    rows = [
        {schema.user: user, schema.item: each.item, **_said(log, each)} for user, line in had.items() for each in line
    ]
    types = {schema.user: log.users.vocab.ids.dtype, schema.item: log.items.vocab.ids.dtype}
    types |= dict.fromkeys(schema.signals, pl.Float64())
    return pl.DataFrame(
        rows, schema=types | ({} if schema.event is None else {schema.event: log.vocabs[schema.event].ids.dtype})
    )


def _said(log: EventLog, had: Had) -> dict[str, Any]:
    """What an event says in the columns of a log.

    Its value is that of the signal that its kind names, or of the only signal there is. Of the others an event that
    names its kind says that they are nothing, one that does not says nothing. A text is no kind of a log whose kinds
    are numbers, and says nothing.
    """
    schema = log.schema
    only = schema.signals[0] if len(schema.signals) == 1 else None
    spoken = had.event if had.event in schema.signals else only
    others = None if had.event is None or spoken is None else math.nan
    value = None if had.value is None else min(max(had.value, -LARGEST), LARGEST)
    said: dict[str, Any] = {name: value if name == spoken else others for name in schema.signals}
    if schema.event is not None:
        said[schema.event] = None if had.event is None else spell(log.vocabs[schema.event], had.event)
    return said
