"""Stored: what users had since training, in the form a model takes it."""

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
LARGEST = torch.finfo(torch.float32).max  # the columns of a log are float32


def known_items(log: EventLog, stored: Sequence[Had], history: Sequence[str | int]) -> list[Had]:
    """The known items among those that a user had since training.

    Args:
        log: The training log.
        stored: Items of stored events, newest first.
        history: Items of the request, oldest first; their kind and value are unknown.

    Returns:
        Known items, oldest first, with ids in the type of the model's.
    """
    had = [*reversed(stored), *(Had(str(item)) for item in history)]
    vocab = log.items.vocab
    spelt = [spell(vocab, each.item) for each in had]
    rows = vocab.encode(pl.Series(vocab.name, spelt, dtype=vocab.ids.dtype)).tolist() if had else []
    return [each._replace(item=id) for each, id, row in zip(had, spelt, rows, strict=True) if row]  # type: ignore[arg-type]


def as_histories(log: EventLog, seen: str | None, had: Mapping[Any, Sequence[Had]]) -> object:
    """The argument `histories` of a recommender.

    Args:
        log: The training log.
        seen: The rule of `Recommender(seen=...)`.
        had: Known items by user, oldest first.

    Returns:
        If every event counts as seen, the items of each user, ordered by their last events; otherwise the events as
        rows of a log.
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
    """An event as values of the columns of a log.

    Its value belongs to the signal that its kind names, or to the only signal. The other signals are NaN (absent) if
    the event names its kind, and null (unknown) if it does not. If the kinds of the log are numbers, a kind that is
    text is unknown.
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
