"""Catalogue: lookups in a model: items, users, a user's history, and a map of the items."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import torch

from motet.index.best import best
from motet.recommender import Recommender
from motet.serve.events.event import Event
from motet.serve.models.spelling import sort_out
from motet.serve.models.training_events import TrainingEvents

BLOCK = 1 << 12  # item vectors converted to double precision at a time
PART = 1 << 16  # counts compared at a time


class Catalogue:
    """Looks up the items and users of a model.

    Args:
        recommender: The trained model.
    """

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender

    def items(self, search: str, limit: int, offset: int, ids: Sequence[str]) -> dict[str, Any]:
        """Answer `GET /v1/items`.

        Args:
            search: Part of an id or of any text column, in any case.
            limit: Largest number of items to return.
            offset: Number of items to skip.
            ids: Only these items; all if empty.

        Returns:
            Items with the columns of their table, except one called `id` beside theirs, and the total number of
            matches.
        """
        items = self.recommender.items
        table = items.table
        if ids:
            table = table.filter(pl.col(items.key).is_in(sort_out(items.vocab, ids)[0]))
        return _page("items", items.key, _search(table, search), limit, offset)

    def users(self, search: str, limit: int, offset: int) -> dict[str, Any]:
        """Answer `GET /v1/users`.

        Args:
            search: Part of an id, in any case.
            limit: Largest number of users to return.
            offset: Number of users to skip.

        Returns:
            Users with the number of their training events, and the total number of matches.
        """
        key = self.recommender.users.key
        return _page("users", key, _search(self._users, search), limit, offset)

    def history(self, user: str, stored: Sequence[Event], limit: int) -> dict[str, Any]:
        """Answer `GET /v1/users/{id}/history`.

        Args:
            user: The user's id.
            stored: Events since training, newest first.
            limit: Largest number of events to return.

        Returns:
            The user's events: those since training, then those of the training log.
        """
        vocab = self.recommender.users.vocab
        known, _ = sort_out(vocab, [user])
        row = int(vocab.encode(known)[0]) if known else 0
        since = [
            {"id": self._item(event.item), "event": event.event, "value": event.value, "time": event.time}
            for event in stored
        ]
        events = since + (self._trained.of(row, limit) if row else [])
        return {"user": user, "known": row > 0, "items": events[:limit]}

    def map(self, limit: int) -> dict[str, Any]:
        """Answer `GET /v1/map`: item vectors along their two directions of largest variance.

        Args:
            limit: Largest number of items to return; those with the most training events come first.

        Returns:
            One point per item.
        """
        counts = self.recommender.scorer.counts[1:]
        rows = _largest(counts, limit)
        ids = self.recommender.items.vocab.decode_list(rows + 1)
        points = self._points(rows + 1).tolist()
        columns = zip(ids, points, counts[rows].long().tolist(), strict=True)
        return {"items": [{"id": id, "x": x, "y": y, "count": count} for id, (x, y), count in columns]}

    def _item(self, id: str) -> str | int:
        """The id of a stored item in the type of the model's ids."""
        known, _ = sort_out(self.recommender.items.vocab, [id])
        return known[0] if known else id

    @cached_property
    def _users(self) -> pl.DataFrame:
        log, users = self.recommender.log, self.recommender.users
        counts = torch.bincount(log.batch().users, minlength=len(users))[1:]
        return pl.DataFrame({users.key: users.vocab.ids, "events": counts.numpy()})

    @cached_property
    def _trained(self) -> TrainingEvents:
        return TrainingEvents(self.recommender.log)

    @cached_property
    def _axes(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The mean item vector and the two directions of largest variance, computed block by block."""
        items = self.recommender.scorer.items[1:]
        mean, squares = (
            items.new_zeros(shape, dtype=torch.float64) for shape in (items.shape[1:], 2 * items.shape[1:])
        )
        for block in items.split(BLOCK):
            mean += block.double().sum(0) / len(items)
        for block in items.split(BLOCK):
            off = block.double() - mean
            squares += off.T @ off
        _, directions = torch.linalg.eigh(squares)
        axes = directions[:, -2:].flip(1)
        # The sign of an axis is arbitrary; its largest component is made positive, so that the map is reproducible.
        signs = axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
        return mean, axes * signs

    def _points(self, rows: torch.Tensor) -> torch.Tensor:
        mean, axes = self._axes
        points = (self.recommender.scorer.items[rows].double() - mean) @ axes
        return (points if points.shape[1] == 2 else torch.nn.functional.pad(points, (0, 1))).cpu()


def _largest(counts: torch.Tensor, limit: int) -> torch.Tensor:
    """The places of the largest counts, the first among equals; part by part, since to order all takes much memory."""
    parts = [best(part[None], limit)[1][0] + PART * number for number, part in enumerate(counts.split(PART))]
    places = torch.cat(parts).sort().values
    return places[best(counts[places][None], limit)[1][0]]


def _search(table: pl.DataFrame, search: str) -> pl.DataFrame:
    if not search:
        return table
    texts = [pl.col(name) for name, dtype in table.schema.items() if dtype in (pl.String, pl.Categorical, pl.Enum)]
    texts = [pl.first(), *texts] if table.schema.dtypes()[0].is_integer() else texts
    found = (text.cast(pl.String).str.to_lowercase().str.contains(search.lower(), literal=True) for text in texts)
    return table.filter(pl.any_horizontal(pl.lit(False), *(mask.fill_null(False) for mask in found)))


def _page(name: str, key: str, table: pl.DataFrame, limit: int, offset: int) -> dict[str, Any]:
    rows = table.slice(offset, limit).to_dicts()
    records = [
        {"id": _plain(row.pop(key)), **{column: _plain(value) for column, value in row.items() if column != "id"}}
        for row in rows
    ]
    return {name: records, "total": len(table)}


def _plain(value: Any) -> Any:
    """A value of a table for JSON."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | bool) else str(value)
