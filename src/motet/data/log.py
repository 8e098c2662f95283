"""EventLog: an event log as columns of tensors, checked at the door against its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl
import torch
from torch import Tensor

from motet.data import columns as encode
from motet.data.batch import Batch
from motet.data.entities import Bag, Codes, Entities, Numbers
from motet.data.ids import as_ids, kind_of
from motet.data.schema import Categorical, Feature, MultiValued, Schema, Text
from motet.data.table import Table
from motet.data.vocab import Vocab
from motet.errors import DataError


@dataclass(frozen=True, eq=False, repr=False)
class EventLog:
    """Events in the order they were read, with what is known about their users and items.

    Attributes:
        schema: Which column is what.
        users: Ids and features of the users of the log and of the user table.
        items: Ids and features of the items of the log and of the item table, which may list items without events.
        columns: By name: user and item rows (int64), signals and context numbers (float32, NaN = not known),
            time (int64 or float64 seconds since 1970), context categories (int64 rows of `vocabs`).
        vocabs: The values of each categorical context column.

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

    @classmethod
    def read(cls, source: object, schema: Schema, *, users: object = None, items: object = None) -> EventLog:
        """Read a log, and the tables of its users and items where there are any.

        Args:
            source: One row an event: a path (Parquet, CSV, TSV, Arrow, Feather), or a Polars, pandas or Arrow table.
            schema: Which column is what.
            users: One row a user; has the schema's user column. Users it does not list have unknown features.
            items: One row an item; has the schema's item column.

        Returns:
            The log.

        Raises:
            DataError: If a column is missing or does not hold what the schema says, an id is null or appears twice
                in its table, a number is NaN or infinite, or there are no rows. In pandas NaN is a missing value, and
                read as one.
        """
        features = {**schema.user_features, **schema.item_features}
        wanted = (*schema.columns, *features)
        log = Table.open(source, "the log", wanted=wanted, text=_texts({**features, **schema.context_features}))
        for name in schema.columns:
            log.require(name)
        user_side, user_rows = _side(log, schema.user, schema.user_features, users, "user")
        item_side, item_rows = _side(log, schema.item, schema.item_features, items, "item")
        columns, vocabs = _events(log, schema, {})
        return cls(schema, user_side, item_side, {schema.user: user_rows, schema.item: item_rows, **columns}, vocabs)

    def encode(self, source: object) -> EventLog:
        """Read further events against the users and items of this log.

        Args:
            source: As in `read`, with the same columns; unknown users and items get row 0.

        Returns:
            A log that shares this one's users and items.

        Raises:
            DataError: As in `read`.
        """
        schema = self.schema
        log = Table.open(source, "the log", wanted=schema.columns, text=_texts(schema.context_features))
        rows = {side.key: side.vocab.encode(_ids(log, side.key)) for side in (self.users, self.items)}
        columns, vocabs = _events(log, schema, self.vocabs)
        return replace(self, columns={**rows, **columns}, vocabs=vocabs)

    def __len__(self) -> int:
        return len(self.columns[self.schema.user])

    def __repr__(self) -> str:
        signals = f"; signals: {', '.join(self.schema.signals)}" if self.schema.signals else ""
        return f"EventLog({len(self):,} events, {len(self.users) - 1:,} users, {len(self.items) - 1:,} items{signals})"

    def batch(self) -> Batch:
        """All columns as one batch, without a copy.

        Returns:
            The whole log.
        """
        return Batch(self.columns, self.schema.user, self.schema.item)

    def take(self, rows: Tensor | slice) -> EventLog:
        """Some of the events.

        Args:
            rows: Positions, a mask, or a slice; a slice shares memory with this log.

        Returns:
            A log with the same users and items.
        """
        return replace(self, columns={name: column[rows] for name, column in self.columns.items()})

    def frame(self) -> pl.DataFrame:
        """The events with raw ids and values.

        Returns:
            One row an event, null where a value is not known.
        """
        vocabs = {self.users.key: self.users.vocab, self.items.key: self.items.vocab, **self.vocabs}
        decoded = {}
        for name, column in self.columns.items():
            raw = vocabs[name].decode(column) if name in vocabs else pl.Series(name, column.numpy()).fill_nan(None)
            decoded[name] = raw
        return pl.DataFrame(decoded)


def _texts(features: Mapping[str, Feature]) -> list[str]:
    return [name for name, kind in features.items() if isinstance(kind, Categorical | MultiValued | Text)]


def _ids(table: Table, key: str) -> pl.Series:
    ids = as_ids(table.column(key), table.where(key))
    if ids.null_count():
        row = ids.is_null().arg_max()
        raise DataError(
            f"{table.where(key)} has no id (null) in row {row} (counted from 0), "
            f"one of {ids.null_count():,} such rows; drop them, or give them an id"
        )
    return ids


def _side(log: Table, key: str, kinds: Mapping[str, Feature], source: object, role: str) -> tuple[Entities, Tensor]:
    """The entities of one side, and the row of each event's."""
    ids = _ids(log, key)
    if source is None:
        vocab = Vocab.build(ids, key)
        table = vocab.ids.to_frame()
    else:
        listed = Table.open(source, f"the {role} table", text=_texts(kinds))
        vocab, table = _join(log, ids, listed, key, role)
    rows = vocab.encode(ids)
    for name in kinds:
        if name not in table.columns:
            table = table.with_columns(_constant(log, rows, vocab, name, role))
    return build_entities(key, vocab, kinds, table), rows


def _join(log: Table, ids: pl.Series, listed: Table, key: str, role: str) -> tuple[Vocab, pl.DataFrame]:
    known = _ids(listed, key)
    if known.dtype != ids.dtype:
        raise DataError(
            f"{listed.where(key)} holds {kind_of(known)} such as {known[0]!r}, but {log.where(key)} holds "
            f"{kind_of(ids)} such as {ids[0]!r}; convert one of them, or no {role} will be found"
        )
    twice = known.filter(known.is_duplicated())
    if len(twice):
        first, second = (known == twice[0]).arg_true().head(2)
        raise DataError(
            f"{listed.where(key)} has the id {twice[0]!r} twice, in rows {first} and {second} (counted from 0); "
            f"a {role} has one row: drop the others, for example with Polars: frame.unique({key!r}, keep='first')"
        )
    vocab = Vocab.build(pl.concat([ids.rename(key), known]), key)
    table = listed.frame.with_columns(known).collect()
    return vocab, vocab.ids.to_frame().join(table, on=key, how="left", maintain_order="left")


def _constant(log: Table, rows: Tensor, vocab: Vocab, name: str, role: str) -> pl.Series:
    """A feature that stands in the log: one value for each entity, in the order of the vocabulary."""
    if name not in log:
        raise DataError(
            f"{role} feature {name!r} is neither in the {role} table nor a column of {log.name}; "
            f"columns of {log.name}: {', '.join(log.columns)}"
        )
    pairs = pl.DataFrame({"row": rows.numpy(), "value": log.column(name)}).drop_nulls().unique()
    several = pairs.filter(pairs["row"].is_duplicated()).sort("row")
    if len(several):
        entity = several["row"][0]
        one, other = several.filter(pl.col("row") == entity)["value"].sort().head(2)
        raise DataError(
            f"{log.where(name)} is declared a {role} feature, but {role} {vocab.decode([entity])[0]!r} has several "
            f"values, such as {one!r} and {other!r}; declare it under context_features instead"
        )
    every = pl.DataFrame({"row": pl.int_range(1, len(vocab), eager=True)})
    return every.join(pairs, on="row", how="left", maintain_order="left")["value"].rename(name)


def build_entities(key: str, vocab: Vocab, kinds: Mapping[str, Feature], table: pl.DataFrame) -> Entities:
    """Encode the declared features of a table whose rows follow the vocabulary.

    Args:
        key: Name of the id column.
        vocab: Of the ids.
        kinds: The declared features; each is a column of the table.
        table: Row r belongs to entity row r + 1.

    Returns:
        The entities; the same table always gives the same codes.

    Raises:
        DataError: If a column does not hold what was declared.
    """
    features = {
        name: _with_unknown(encode.feature(table[name], kind, f"column {name!r} of the table of {key!r}"))
        for name, kind in kinds.items()
    }
    return Entities(key, vocab, features, dict(kinds), table)


def _with_unknown(column: Codes | Bag | Numbers) -> Codes | Bag | Numbers:
    """Put row 0, the unknown entity, in front."""
    match column:
        case Codes(rows, vocab):
            return Codes(torch.cat([rows.new_zeros(1), rows]), vocab)
        case Bag(rows, offsets, vocab):
            return Bag(rows, torch.cat([offsets.new_zeros(1), offsets]), vocab)
        case Numbers(values):
            return Numbers(torch.cat([values.new_full((1,), float("nan")), values]))


def _events(log: Table, schema: Schema, vocabs: Mapping[str, Vocab]) -> tuple[dict[str, Tensor], dict[str, Vocab]]:
    """Time, signals and context of every event, and the vocabularies of the context."""
    columns: dict[str, Tensor] = {}
    found: dict[str, Vocab] = {}
    if schema.time is not None:
        columns[schema.time] = _times(log, schema.time)
    for name in schema.signals:
        columns[name] = encode.numbers(log.column(name), log.where(name))
    for name, kind in schema.context_features.items():
        match encode.feature(log.column(name), kind, log.where(name), vocabs.get(name)):
            case Codes(rows, vocab):
                columns[name], found[name] = rows, vocab
            case Numbers(values):
                columns[name] = values
    return columns, found


def _times(log: Table, name: str) -> Tensor:
    times = encode.moments(log.column(name), log.where(name))
    unknown = times.isnan()
    if unknown.any():
        row = int(unknown.nonzero()[0])
        raise DataError(
            f"{log.where(name)} is null in row {row} (counted from 0); every event needs its moment: drop such rows"
        )
    return times
