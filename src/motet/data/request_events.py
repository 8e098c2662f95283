"""RequestEvents: the events of users that come with a request.

They may be incomplete: a list of items states neither event types nor times. Which values are not stated is recorded,
so that a condition on them rules no event out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from motet.data import columns as encode
from motet.data.batch import Batch
from motet.data.expression import Expression
from motet.data.log import EventLog
from motet.data.lookup import Ids, known_rows, listed
from motet.data.sides import read_ids, text_columns
from motet.data.table import Table
from motet.errors import ConfigError, did_you_mean

NAME = "the table of histories"


@dataclass(frozen=True)
class RequestEvents:
    """The events of a request, line by line, with one line per user of the request.

    Attributes:
        who: The line of each event, ascending.
        batch: The events, oldest first within a line: user, item, and the columns of the log that conditions read.
        unstated: By column, the events whose value is not stated.
    """

    who: Int[Tensor, " events"]
    batch: Batch
    unstated: Mapping[str, Bool[Tensor, " events"]]

    @classmethod
    def of(
        cls, histories: object, ids: Sequence[str] | Sequence[int], users: Int[Tensor, " lines"], log: EventLog
    ) -> Self:
        """Read the events of a request.

        Args:
            histories: Items by user; or a table with one row per event, in any form that `Table.open` takes. The table
                has the log's columns of users and items and, where known, of event type, signals and time. Null means
                that a value is not stated, NaN that there is none. None for no events.
            ids: The users of the request.
            users: Their rows, 0 for unknown users.
            log: The training log.

        Returns:
            The events, in the given order within each line.

        Raises:
            ConfigError: If an event belongs to a user who is not in the request.
            DataError: If an item is unknown, or a column does not match that of the log.
        """
        if histories is None or isinstance(histories, Mapping):
            given = dict[Any, Ids](histories or {})
            _check_asked(given, ids)
            items = [known_rows(log.items, listed(given.get(id, ()))[0], "item") for id in ids]
            who = torch.arange(len(ids)).repeat_interleave(torch.tensor([len(line) for line in items]).long())
            columns, unstated = _without_values(_event_columns(log), len(who), log)
            columns[log.schema.item] = torch.cat([*items, who[:0]])
        else:
            who, columns, unstated = _read(histories, ids, log)
        columns[log.schema.user] = users[who]
        schema, vocabs = log.schema, log.batch().vocabs
        return cls(who, Batch(columns, schema.user, schema.item, time_key=schema.time, vocabs=vocabs), unstated)

    def __len__(self) -> int:
        return len(self.who)

    @property
    def items(self) -> Int[Tensor, " events"]:
        """The item row of each event."""
        return self.batch.items

    def take(self, lines: Int[Tensor, " m"]) -> Self:
        """Select lines.

        Args:
            lines: Line numbers, in any order, repeated or not.

        Returns:
            Their events.
        """
        size = int(lines.max()) + 1 if len(lines) else 0
        counts = torch.bincount(self.who, minlength=size)
        lengths = counts[lines]
        who = torch.repeat_interleave(lengths)
        first = (counts.cumsum(0) - counts)[lines] - (lengths.cumsum(0) - lengths)
        return self._of(who, first[who] + torch.arange(len(who)))

    def where(self, condition: Expression | None) -> Self:
        """Select the events that may meet a condition; values that are not stated rule nothing out.

        Args:
            condition: A condition on columns of the log; None for all events.

        Returns:
            Those events.
        """
        if condition is None or not len(self):
            return self
        places = condition.may_hold(self.batch, self.unstated).nonzero()[:, 0]
        return self._of(self.who[places], places)

    def _of(self, who: Tensor, places: Tensor) -> Self:
        unstated = {name: flags[places] for name, flags in self.unstated.items()}
        return type(self)(who, self.batch.take(places), unstated)


def _read(source: object, ids: Sequence[Any], log: EventLog) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """The events of a table, line by line: the line of each, the columns, and where these are not stated."""
    schema, named = log.schema, _event_columns(log)
    ids_of = (schema.user, schema.item)
    text = text_columns({}, log.batch().vocabs)
    table = Table.open(source, NAME, needs=ids_of, wanted=(*ids_of, *named), text=text)
    users = read_ids(table, schema.user)
    log.users.vocab.encode(users)  # refuses ids of another type
    places: dict[Any, list[int]] = {}
    for place, user in enumerate(users.to_list()):
        places.setdefault(user, []).append(place)
    _check_asked(places, ids)
    order = [place for id in ids for place in places.get(id, ())]
    who = torch.arange(len(ids)).repeat_interleave(torch.tensor([len(places.get(id, ())) for id in ids]).long())
    columns, unstated = _without_values([name for name in named if name not in table], len(who), log)
    columns[schema.item] = known_rows(log.items, read_ids(table, schema.item).to_list(), "item")[order]
    for name in named:
        if name in table:
            columns[name] = _column(table, name, log)[order]
            unstated[name] = _null(table.column(name))[order]
    return who, columns, unstated


def _without_values(names: Sequence[str], events: int, log: EventLog) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Columns of which no value is stated."""
    columns = {
        name: torch.zeros(events, dtype=torch.int64) if name in log.vocabs else torch.full((events,), torch.nan)
        for name in names
    }
    return columns, {name: torch.ones(events, dtype=torch.bool) for name in names}


def _event_columns(log: EventLog) -> list[str]:
    schema = log.schema
    return [name for name in (schema.time, schema.event, *schema.signals) if name is not None]


def _column(table: Table, name: str, log: EventLog) -> Tensor:
    """A column in the codes of the log; an event type unknown to training gets a code that no other type has."""
    column, where = table.column(name), table.where(name)
    if column.dtype.is_float():
        column = column.fill_nan(None)
    if name == log.schema.time:
        return encode.timestamps(column, where)
    if name != log.schema.event:
        return encode.numbers(column, where)
    vocab = log.vocabs[name]
    if column.dtype == pl.Null:
        return torch.zeros(len(column), dtype=torch.int64)
    codes = vocab.encode(column)
    return codes.masked_fill((codes == 0) & ~_null(column), len(vocab))


def _null(column: pl.Series) -> Tensor:
    return torch.from_numpy(column.is_null().to_numpy(writable=True))


def _check_asked(given: Mapping[Any, Any], ids: Sequence[Any]) -> None:
    asked = set(ids)
    for user in given:
        if user not in asked:
            hint = did_you_mean(user, ids[:1000])
            raise ConfigError(f"histories names the user {user!r}, who is not asked for{hint}")
