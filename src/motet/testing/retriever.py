"""The contract of a retriever."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from motet.data.log import EventLog
from motet.data.request_events import RequestEvents
from motet.retrievers import Retriever
from motet.scorer import Askers

MOST = 5


def check_retriever(build: Callable[[], Retriever], log: EventLog) -> None:
    """Check that a user's candidates do not depend on the other users, and that a recommender can rank them.

    Args:
        build: Returns the retriever.
        log: A training log with some users and items.

    Raises:
        AssertionError: If the retriever breaks the contract.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> from motet.retrievers import Touched
        >>> events = {"user_id": [1, 1, 2], "item_id": [5, 6, 5], "event": ["view", "view", "buy"]}
        >>> log = EventLog.read(pl.DataFrame(events), Schema(event="event"))
        >>> check_retriever(lambda: Touched("event == 'view'"), log)
    """
    retriever = build()
    retriever.prepare(log)
    users = torch.arange(len(log.users)).flip(0)
    added = [
        torch.arange(1, min(3, len(log.items))) if user % 2 else torch.zeros(0, dtype=torch.int64) for user in users
    ]
    many = retriever.find(_askers(users, added, log), MOST)
    assert many.rows.shape[0] == len(users), f"{many.rows.shape[0]} lines for {len(users)} users"
    assert ((many.rows >= 0) & (many.rows < len(log.items))).all(), "a candidate is not an item row of the log"
    if many.scores is not None:
        assert many.scores.shape == many.rows.shape, "give a score for each candidate, or no scores"
        assert many.scores[many.rows > 0].isfinite().all(), "the score of a candidate is not finite"
    for line, (user, had) in enumerate(zip(users, added, strict=True)):
        items = many.rows[line][many.rows[line] > 0]
        assert len(items.unique()) == len(items), f"user row {int(user)} gets an item twice: {items.tolist()}"
        alone = retriever.find(_askers(user[None], [had], log), MOST).rows[0]
        assert alone[alone > 0].tolist() == items.tolist(), f"user row {int(user)} gets different candidates when alone"
    again = type(retriever)(**retriever.config())
    again.prepare(log)
    assert torch.equal(again.find(_askers(users, added, log), MOST).rows, many.rows), "config() does not rebuild it"


def _askers(users: Tensor, added: list[Tensor], log: EventLog) -> Askers:
    places = range(len(users))
    items = {place: log.items.vocab.decode_list(line) for place, line in zip(places, added, strict=True)}
    events = RequestEvents.of(items, [*places], users, log)
    return Askers(users, torch.zeros(len(users), 1), added, events, np.full(len(users), "known", dtype=object))
