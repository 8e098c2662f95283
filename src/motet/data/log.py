"""EventLog: an event log as tensor columns, checked against its schema when it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool
from torch import Tensor

from motet.data import columns as encode
from motet.data.batch import Batch
from motet.data.entities import Codes, Entities, Numbers
from motet.data.schema import Categorical, Feature, Schema
from motet.data.sides import read_ids, read_side, text_columns
from motet.data.table import Table
from motet.data.vocab import Vocab
from motet.errors import ConfigError, DataError, check_types


@dataclass(frozen=True, eq=False, repr=False)
class EventLog:
    """Events in the order they were read, with the features of their users and items.

    Attributes:
        schema: What each column means.
        users: Ids and features of the users in the log and in the user table.
        items: Ids and features of the items in the log and in the item table, which may list items without events.
        columns: By name: user and item rows (int64), signals and context numbers (float32, NaN = unknown),
            time (int64 or float64 seconds since 1970), context categories (int64 rows of `vocabs`).
        vocabs: The values of each categorical context column.
        together: Number of consecutive rows that training keeps together; see `sample_lists`.
        recents: The arguments of `recent` that made each column of recent items, by column.

    Example:
        >>> events = pl.DataFrame({"user_id": [7, 7, 9], "item_id": ["a", "b", "a"], "click": [1, 0, None]})
        >>> log = EventLog.read(events, Schema(signals=("click",)))
        >>> log
        EventLog(3 events, 2 users, 2 items; signals: click)
        >>> log.columns["click"]
        tensor([1., 0., nan])
    """

    schema: Schema
    users: Entities
    items: Entities
    columns: dict[str, Tensor]
    vocabs: Mapping[str, Vocab] = field(default_factory=dict)
    together: int = 1
    recents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, source: object, schema: Schema, *, users: object = None, items: object = None) -> EventLog:
        """Read a log, and optionally the tables of its users and items.

        Args:
            source: One row per event: a path (Parquet, CSV, TSV, Arrow, Feather), a pattern such as `orders-*.csv` for
                several files, a folder of Parquet files, or a Polars, pandas or Arrow table.
            schema: What each column means.
            users: One row per user, with the schema's user column. Users it does not list have unknown features.
            items: One row per item, with the schema's item column. Items it does not list have unknown features.

        Returns:
            The log.

        Raises:
            DataError: If a column is missing or does not match the schema, an id is null or appears twice in its table,
                a number is NaN or infinite, or there are no rows. (In pandas NaN means a missing value, and is read as
                null.)
            ConfigError: If the schema is something else.
        """
        check_types(Schema, schema=schema)
        features = {**schema.user_features, **schema.item_features}
        text = text_columns({**features, **schema.context_features})
        wanted = (*schema.columns, *features)
        log = Table.open(
            source, "the log", needs=schema.columns, wanted=wanted, text=text, codes=(schema.user, schema.item)
        )
        user_side, user_rows = read_side(log, schema.user, schema.user_features, users, "user")
        item_side, item_rows = read_side(log, schema.item, schema.item_features, items, "item")
        columns, vocabs = _events(log, schema, {})
        return cls(schema, user_side, item_side, {schema.user: user_rows, schema.item: item_rows, **columns}, vocabs)

    def encode(self, source: object, *, schema: Schema | None = None) -> EventLog:
        """Read further events with the users and items of this log.

        Args:
            source: As in `read`, with the same columns; unknown users and items get row 0. Tasks that rank the
                catalogue do not learn from rows of unknown items. If this log joins several, such as clicks and a
                survey, the source may have the columns of one of them; the others are unknown.
            schema: The schema of the source if its columns differ from this log's: a survey beside clicks, for example.
                It must name the same user and item columns.

        Returns:
            A log with the users and items of this one.

        Raises:
            DataError: As in `read`.
            ConfigError: If the schema names other user or item columns.
        """
        joined, schema = schema is None, self.schema if schema is None else schema
        if (schema.user, schema.item) != (self.schema.user, self.schema.item):
            raise ConfigError(
                f"the schema names the columns {schema.user!r} and {schema.item!r}, but this log's users and items are "
                f"{self.schema.user!r} and {self.schema.item!r}; rename the columns of the source"
            )
        vocabs = {name: vocab for name, vocab in self._vocabs.items() if name not in schema.signals}
        text = text_columns(schema.context_features, vocabs)
        log = Table.open(source, "the log", wanted=schema.columns, text=text)
        other = self._of_other_logs(log.columns) if joined else []
        log.require([name for name in schema.columns if name not in other])
        rows = {side.key: side.vocab.encode(read_ids(log, side.key)) for side in (self.users, self.items)}
        known = replace(
            schema,
            event=None if schema.event in other else schema.event,
            signals=[name for name in schema.signals if name not in other],
        )
        columns, found = _events(log, known, self.vocabs)
        unknown = {name: _unknown(self.columns[name], len(rows[schema.user])) for name in other}
        return replace(
            self,
            schema=schema,
            columns={**rows, **columns, **unknown},
            vocabs={**found, **{name: self.vocabs[name] for name in other if name in self.vocabs}},
            together=1,
            recents={},
        )

    def _of_other_logs(self, names: Sequence[str]) -> list[str]:
        """Signals and the event type that a source lacks, if it may be one of several logs that were joined to one.

        None of them is known in a row with one that the source has, and there are rows in which all are unknown.
        """
        optional = [*self.schema.signals, *([] if self.schema.event is None else [self.schema.event])]
        lacking = [name for name in optional if name not in names]
        if not lacking:
            return []
        known = {name: _known(self.columns[name]) for name in optional}
        there = torch.stack([known[name] for name in lacking]).any(0)
        apart = not any(bool((there & known[name]).any()) for name in optional if name in names)
        return lacking if apart and not there.all() else []

    def __len__(self) -> int:
        return len(self.columns[self.schema.user])

    def __repr__(self) -> str:
        told = f"{len(self):,} events, {len(self.users) - 1:,} users, {len(self.items) - 1:,} items"
        for side, key in (("users", self.schema.user), ("items", self.schema.item)):
            if unknown := int((self.columns[key] == 0).sum()):
                told += f"; {unknown:,} events of unknown {side}"
        if self.schema.signals:
            told += f"; signals: {', '.join(self.schema.signals)}"
        return f"EventLog({told})"

    def batch(self) -> Batch:
        """All columns as one batch, without copying.

        Returns:
            The whole log.
        """
        schema = self.schema
        return Batch(self.columns, schema.user, schema.item, time_key=schema.time, vocabs=self._vocabs)

    @property
    def _vocabs(self) -> dict[str, Vocab]:
        """The vocabularies of all columns that hold rows: users, items and categorical context."""
        return {self.users.key: self.users.vocab, self.items.key: self.items.vocab, **self.vocabs}

    def take(self, rows: Tensor | slice) -> EventLog:
        """Select events.

        Args:
            rows: Positions, a mask, or a slice; a slice shares memory with this log.

        Returns:
            A log with the same users and items.
        """
        return replace(self, columns={name: column[rows] for name, column in self.columns.items()}, together=1)

    def frame(self) -> pl.DataFrame:
        """Decode the events to raw ids and values.

        Returns:
            One row per event, null where a value is unknown.
        """
        vocabs = self._vocabs
        decoded = {}
        for name, column in self.columns.items():
            if column.ndim == 2:  # recent items
                raw = self.items.vocab.decode(column.flatten()).reshape(tuple(column.shape))
            else:
                raw = (
                    vocabs[name].decode(column) if name in vocabs else pl.Series(name, column.numpy(), nan_to_null=True)
                )
            decoded[name] = raw
        return pl.DataFrame(decoded)


def _known(column: Tensor) -> Bool[Tensor, " rows"]:
    return ~column.isnan() if column.is_floating_point() else column > 0


def _unknown(like: Tensor, rows: int) -> Tensor:
    return like.new_full((rows,), torch.nan if like.is_floating_point() else 0)


def _events(log: Table, schema: Schema, vocabs: Mapping[str, Vocab]) -> tuple[dict[str, Tensor], dict[str, Vocab]]:
    """Time, signals and context of every event, and the vocabularies of the context."""
    columns: dict[str, Tensor] = {}
    found: dict[str, Vocab] = {}
    if schema.time is not None:
        columns[schema.time] = _times(log, schema.time)
    for name in schema.signals:
        columns[name] = encode.numbers(log.column(name), log.where(name))
    events: dict[str, Feature] = {} if schema.event is None else {schema.event: Categorical()}
    for name, kind in (events | dict(schema.context_features)).items():
        match encode.feature(log.column(name), kind, log.where(name), vocabs.get(name)):
            case Codes(rows, vocab):
                columns[name], found[name] = rows, vocab
            case Numbers(values):
                columns[name] = values
    return columns, found


def _times(log: Table, name: str) -> Tensor:
    where = log.where(name)
    times = encode.timestamps(log.column(name), where)
    unknown = times.isnan()
    if unknown.any():
        row = where.row(int(unknown.nonzero()[0]))
        raise DataError(f"{where} is null in {row}; every event needs a time: drop such rows")
    return times
