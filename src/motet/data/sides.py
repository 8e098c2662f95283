"""The users or the items of a log: collects their ids, joins their table, encodes their features."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor

from motet.data import columns as encode
from motet.data.entities import Bag, Codes, Column, Entities, Numbers
from motet.data.ids import as_ids, kind_of
from motet.data.place import Place
from motet.data.schema import Categorical, Feature, MultiValued, Text
from motet.data.table import Table
from motet.data.vocab import Vocab
from motet.errors import DataError, did_you_mean


def read_side(
    log: Table, key: str, kinds: Mapping[str, Feature], source: object, role: str
) -> tuple[Entities, Int[Tensor, " events"]]:
    """Collect the entities of a log and of their own table.

    Args:
        log: The events.
        key: The id column, of the log and of the table.
        kinds: Declared features: columns of the table, or columns of the log that are constant per entity.
        source: The table, in any form that `Table.open` takes, or None.
        role: "user" or "item", for error messages.

    Returns:
        The entities, and the entity row of each event.

    Raises:
        DataError: If ids or features break a rule.
    """
    ids = read_ids(log, key)
    places: dict[str, Place] = {}
    if source is None:
        vocab = Vocab.build(ids, key)
        table = vocab.ids.to_frame()
    else:
        listed = Table.open(source, f"the {role} table", needs=[key], text=text_columns(kinds), codes=[key])
        ids, vocab, at = _listed(log, ids, listed, key, role)
        table = listed.rows(at).with_columns(vocab.ids)
        places = {name: listed.where(name, at) for name in listed.columns}
    rows = vocab.encode(ids)
    for name in kinds:
        if name not in table.columns:
            if name not in log:
                raise _nowhere(log, table, name, role)
            at = _constant(log, rows, vocab, name, role)
            table = table.with_columns(log.column(name).gather(at))
            places[name] = log.where(name, at)
    return build_entities(key, vocab, kinds, table, places), rows


def build_entities(
    key: str,
    vocab: Vocab,
    kinds: Mapping[str, Feature],
    table: pl.DataFrame,
    places: Mapping[str, Place] | None = None,
) -> Entities:
    """Encode the declared features of a table whose rows follow the vocabulary.

    Args:
        key: Name of the id column.
        vocab: The ids.
        kinds: The declared features; each is a column of the table.
        table: Table row r describes entity row r + 1.
        places: Places for error messages, by column.

    Returns:
        The entities; the same table always gives the same codes.

    Raises:
        DataError: If a column does not match its declaration.
    """
    features = {}
    for name, kind in kinds.items():
        where = (places or {}).get(name) or Place(name, f"the table of {key!r}")
        features[name] = _with_unknown(encode.feature(table[name], kind, where))
    return Entities(key, vocab, features, dict(kinds), table)


def read_ids(table: Table, key: str) -> pl.Series:
    """Read an id column that may not hold nulls.

    Args:
        table: Any table.
        key: The id column.

    Returns:
        Text, or 64-bit integers.

    Raises:
        DataError: If an id is null or empty text, or the ids are neither all text nor all whole numbers.
    """
    where = table.where(key)
    ids = as_ids(table.column(key), where)
    without = ids.is_null() if ids.dtype.is_integer() else (ids.str.strip_chars() == "").fill_null(True)
    if without.any():
        first = without.arg_true()[0]
        found = "null" if ids[first] is None else "empty text"
        raise DataError(
            f"{where} has no id ({found}) in {where.row(first)}, one of {without.sum():,} such rows; drop them, or "
            "give them an id"
        )
    return ids


def read_ids_once(table: Table, key: str) -> pl.Series:
    """Read the id column of a table with one row per id.

    Args:
        table: The table of users or items.
        key: The id column.

    Returns:
        Text, or 64-bit integers, all different.

    Raises:
        DataError: As `read_ids`, and if an id appears twice.
    """
    ids, where = read_ids(table, key), table.where(key)
    twice = ids.filter(ids.is_duplicated())
    if len(twice):
        first, second = (ids == twice[0]).arg_true().head(2)
        raise DataError(
            f"{where} has the id {twice[0]!r} in {where.row(first).removesuffix(' (counted from 0)')} and again in "
            f"{where.row(second)}; an id has one row: drop the others, for example with Polars: "
            f"frame.unique({key!r}, keep='first')"
        )
    return ids


def text_columns(kinds: Mapping[str, Feature], vocabs: Mapping[str, Vocab] | None = None) -> list[str]:
    """The columns to read as text from a CSV file, which has no types: 00501 is a zip code, not a number.

    Args:
        kinds: Declared features.
        vocabs: The known values of columns, ids included; such a column is read as text if these are text.

    Returns:
        Column names.
    """
    types = {name: isinstance(kind, Categorical | MultiValued | Text) for name, kind in kinds.items()}
    for name, vocab in (vocabs or {}).items():
        if isinstance(kinds.get(name, Categorical()), Categorical):
            types[name] = vocab.is_text
    return [name for name, is_text in types.items() if is_text]


def _listed(log: Table, ids: pl.Series, listed: Table, key: str, role: str) -> tuple[pl.Series, Vocab, pl.Series]:
    """The ids of a log, those of the log and its table together, and the table row of each; null if it has none."""
    known = read_ids_once(listed, key)
    ids, known = _as_text(ids, log, known), _as_text(known, listed, ids)
    if known.dtype != ids.dtype:
        raise DataError(
            f"{listed.where(key)} holds {kind_of(known)} such as {known[0]!r}, but {log.where(key)} holds "
            f"{kind_of(ids)} such as {ids[0]!r}; convert one of them, or no {role} will be found"
        )
    vocab = Vocab.build(pl.concat([ids.rename(key), known.rename(key)]), key)
    return ids, vocab, _sources(vocab, vocab.encode(known), pl.int_range(len(known), eager=True))


def _as_text(ids: pl.Series, table: Table, others: pl.Series) -> pl.Series:
    """Ids as text, if other ids are text and these are numbers only because their file has no types."""
    if table.typed or ids.dtype == pl.String or others.dtype != pl.String:
        return ids
    text = ids.cast(pl.String)
    return text if text.is_in(others.implode()).any() else ids


def _constant(log: Table, rows: Tensor, vocab: Vocab, name: str, role: str) -> pl.Series:
    """For each entity, an event with a value of the feature; null if there is none."""
    seen = pl.DataFrame({"row": rows.numpy(), "value": log.column(name)}).with_row_index("at").drop_nulls()
    seen = seen.unique(["row", "value"], keep="first", maintain_order=True)
    several = seen.filter(seen["row"].is_duplicated())
    if len(several):
        entity = several["row"][0]
        one, other = several.filter(pl.col("row") == entity)["value"].head(2).to_list()
        raise DataError(
            f"{log.where(name)} is declared in {role}_features, but {role} {vocab.decode([entity])[0]!r} has several "
            f"values, such as {one!r} and {other!r}; declare it in context_features instead"
        )
    return _sources(vocab, torch.from_numpy(seen["row"].to_numpy(writable=True)), seen["at"])


def _nowhere(log: Table, table: pl.DataFrame, name: str, role: str) -> DataError:
    hint = did_you_mean(name, [*table.columns, *log.columns])
    return DataError(
        f"{role} feature {name!r} is neither in the {role} table nor in {log.name}{hint} "
        f"Columns of the {role} table: {', '.join(table.columns)}. Columns of {log.name}: {', '.join(log.columns)}."
    )


def _sources(vocab: Vocab, rows: Int[Tensor, " known"], at: pl.Series) -> pl.Series:
    """`at` in the order of the vocabulary; null for entities that are not in `rows`."""
    every = pl.DataFrame({"row": pl.int_range(1, len(vocab), eager=True)})
    known = pl.DataFrame({"row": rows.numpy(), "at": at})
    return every.join(known, on="row", how="left", maintain_order="left")["at"]


def _with_unknown(column: Column) -> Column:
    """Prepend row 0, the unknown entity."""
    match column:
        case Codes(rows, vocab):
            return Codes(torch.cat([rows.new_zeros(1), rows]), vocab)
        case Bag(rows, offsets, vocab):
            return Bag(rows, torch.cat([offsets.new_zeros(1), offsets]), vocab)
        case Numbers(values):
            return Numbers(torch.cat([values.new_full((1,), float("nan")), values]))
