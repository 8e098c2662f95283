"""ToldEvents: what a question tells that users did, as far as it tells it."""

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
from motet.data.sides import read_ids
from motet.data.table import Table
from motet.errors import ConfigError, did_you_mean

NAME = "the table of histories"
Histories = Mapping[str, Ids] | Mapping[int, Ids] | object


@dataclass(frozen=True)
class ToldEvents:
    """Events that a question tells.

    Attributes:
        who: The line of each, ascending: which of those who ask did it.
        items: Its item row, the oldest of a line first.
        columns: What is told of it besides, by column of the log.
        silent: By column, of which events the question does not tell it.
    """

    who: Int[Tensor, " events"]
    items: Int[Tensor, " events"]
    columns: Mapping[str, Tensor]
    silent: Mapping[str, Bool[Tensor, " events"]]

    @classmethod
    def of(cls, histories: Histories, ids: Sequence[str] | Sequence[int], log: EventLog) -> Self:
        """Read what is told.

        Args:
            histories: Items by user, of which nothing else is told; or one row an event, in any form that `Table.open`
                takes, with the log's columns of users and items, and those of its kind of event, signals and time as
                far as they are known. Null is not told; NaN is told to be nothing.
            ids: Who asks.
            log: The training log.

        Returns:
            The events, those of a line in the order in which they were told.

        Raises:
            ConfigError: If somebody did something who does not ask.
            DataError: If an item is unknown, or a column does not hold what the log's does.
        """
        if isinstance(histories, Mapping):
            given = dict[Any, Ids](histories)
            _check_asked(given, ids)
            told = [listed(given.get(id, ()))[0] for id in ids]
            items = [known_rows(log.items, each, "item") for each in told]
            who = torch.arange(len(ids)).repeat_interleave(torch.tensor([len(line) for line in told]).long())
            return cls._with(who, torch.cat([*items, torch.zeros(0, dtype=torch.int64)]), None, log)
        schema = log.schema
        wanted = (schema.user, schema.item, *_told_columns(log))
        table = Table.open(histories, NAME, needs=[schema.user, schema.item], wanted=wanted)
        users = read_ids(table, schema.user)
        log.users.vocab.encode(users)  # refuses ids of another type
        places: dict[Any, list[int]] = {}
        for place, user in enumerate(users.to_list()):
            places.setdefault(user, []).append(place)
        _check_asked(places, ids)
        order = [place for id in ids for place in places.get(id, ())]
        who = torch.arange(len(ids)).repeat_interleave(torch.tensor([len(places.get(id, ())) for id in ids]).long())
        known = known_rows(log.items, read_ids(table, schema.item).to_list(), "item")
        return cls._with(who, known[order], (table, order), log)

    @classmethod
    def _with(cls, who: Tensor, items: Tensor, told: tuple[Table, list[int]] | None, log: EventLog) -> Self:
        """Add the columns that a condition may read."""
        columns, silent = {}, {}
        for name in _told_columns(log):
            if told is None or name not in told[0]:
                dtype = torch.int64 if name in log.vocabs else torch.float32
                columns[name] = torch.full((len(who),), 0 if name in log.vocabs else torch.nan, dtype=dtype)
                silent[name] = torch.ones(len(who), dtype=torch.bool)
            else:
                table, order = told
                columns[name] = _column(table, name, log)[order]
                silent[name] = torch.from_numpy(table.column(name).is_null().to_numpy(writable=True))[order]
        return cls(who, items, columns, silent)

    def chosen(self, where: str, users: Int[Tensor, " lines"], log: EventLog) -> Bool[Tensor, " events"]:
        """Which events a condition may hold for: of what is not told nothing is ruled out.

        Args:
            where: A condition on columns of the log.
            users: The user row of each line.
            log: The training log.

        Returns:
            True for those.
        """
        schema = log.schema
        columns = {**self.columns, schema.user: users[self.who], schema.item: self.items}
        batch = Batch(columns, schema.user, schema.item, time_key=schema.time, vocabs=log.batch().vocabs)
        return Expression(where).may_hold(batch, self.silent)


def _told_columns(log: EventLog) -> list[str]:
    schema = log.schema
    return [name for name in (schema.time, schema.event, *schema.signals) if name is not None]


def _column(table: Table, name: str, log: EventLog) -> Tensor:
    """A column in the codes of the log; a kind of event that training never had gets a code that no other has."""
    column, where = table.column(name), table.where(name)
    if column.dtype.is_float():
        column = column.fill_nan(None)
    if name == log.schema.time:
        return encode.moments(column, where)
    if name != log.schema.event:
        return encode.numbers(column, where)
    vocab = log.vocabs[name]
    if column.dtype == pl.Null:
        return torch.zeros(len(column), dtype=torch.int64)
    codes = vocab.encode(column)
    new = (codes == 0) & ~torch.from_numpy(column.is_null().to_numpy(writable=True))
    return codes.masked_fill(new, len(vocab))


def _check_asked(given: Mapping[Any, Any], ids: Sequence[Any]) -> None:
    for user in given:
        if user not in ids:
            hint = did_you_mean(str(user), [str(id) for id in ids[:1000]])
            raise ConfigError(f"histories names the user {user!r}, who is not asked for{hint}")
