"""Examples: some users with their history, their recommendations and each task's scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.recommender import Recommender
from motet.report.blocks import Cards, Section, Table, Text
from motet.report.formatting import number

USERS, SHOWN = 10, 10


def examples(recommender: Recommender, *, title: str) -> Iterator[Section]:
    """Ten users, from the one with the most events to the one with the fewest, evenly spread over the ranking.

    Args:
        recommender: The model.
        title: Title of the section.

    Yields:
        One section.
    """
    log = recommender.log
    events = torch.bincount(log.batch().users, minlength=len(log.users))
    ranking = events[1:].argsort(descending=True, stable=True)
    ranking = ranking[events[1:][ranking] > 0]
    places = torch.linspace(0, len(ranking) - 1, min(USERS, len(ranking))).round().long()
    rows = ranking[places] + 1
    ids = log.users.vocab.decode_list(rows)
    top = recommender.recommend(ids, min(SHOWN, len(log.items) - 1))
    cards: dict[str, Sequence[Text | Table]] = {}
    for row, id, answer in zip(rows.tolist(), ids, top.each(), strict=True):
        found = [item for item in answer.ids.tolist() if item is not None]
        scores = {name: part.tolist() for name, part in answer.columns().items()}
        recommended = _described(found, recommender.items, scores)
        count = int(events[row])
        card = f"{log.users.key} {id}: {count:,} event{'s' * (count != 1)}"
        cards[card] = [_history(log, row), Table("Recommended, with each task's score", *recommended)]
    text = (
        "Users from the one with the most training events to the one with the fewest, evenly spread. Items are ordered "
        "by the score; the columns after it hold each task's own score, in its own unit."
    )
    yield Section(title, [Text([text], tone="note"), Cards(cards)])


def _history(log: EventLog, user: int) -> Table:
    """The latest events of a user, newest first."""
    own = (log.batch().users == user).nonzero()[:, 0]
    if log.schema.time is not None:
        own = own[log.columns[log.schema.time][own].argsort(stable=True)]
    own = own.flip(0)[:SHOWN]
    frame = log.take(own).frame()
    told = [name for name in (log.schema.event, *log.schema.signals) if name is not None]
    ids = frame[log.items.key].to_list()
    table = _described(ids, log.items, {name: frame[name].to_list() for name in told})
    order = "Latest" if log.schema.time is not None else "Last"
    return Table(f"{order} training events", *table)


def _described(
    ids: Sequence[Any], items: Entities, values: dict[str, list[object]]
) -> tuple[list[str], list[list[str]], int]:
    """Columns, rows, and how many columns are words: ids, what their table says of them, and values."""
    told = items.in_words(items.vocab.encode(ids).tolist())
    columns = [map(str, ids), *told.values(), *(map(_text, column) for column in values.values())]
    return [items.key, *told, *values], [list(row) for row in zip(*columns, strict=True)], 1 + len(told)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}" if value == round(value, 1) else number(value)
    return "" if value is None else str(value)
