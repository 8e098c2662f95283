"""Features of users, and the context, that are passed with a request, encoded as in the training log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from motet.data import columns as encode
from motet.data.entities import Bag, Codes, Column, Entities, Numbers
from motet.data.schema import Categorical, Feature, MultiValued, Numeric, Timestamp
from motet.data.sides import read_ids_once, text_columns
from motet.data.table import Table
from motet.data.vocab import Vocab
from motet.errors import ConfigError, DataError, did_you_mean

NAME = "the table of features"


def request_features(
    source: object,
    ids: Sequence[str] | Sequence[int],
    rows: Int[Tensor, " n"],
    entities: Entities,
    reads: Sequence[str],
    context: Mapping[str, Codes | Numbers],
) -> tuple[dict[str, Column], Bool[Tensor, " n"]]:
    """Override users' features from the log with those passed in; nulls and unknown values override nothing.

    Args:
        source: One row per user, in any form that `Table.open` takes, with the id column; further users and columns are
            ignored. Or, for a single user, a mapping from feature to value. None to override nothing.
        ids: The users of the request.
        rows: Their rows, 0 for users unknown to the log.
        entities: The users of the log.
        reads: The features that can be overridden.
        context: The context columns that can be given, each with one unknown value.

    Returns:
        All features in `reads` and columns in `context`, one row per id; and for which ids anything was passed.

    Raises:
        ConfigError: If no feature can be overridden, or a mapping is passed for several users.
        DataError: If a feature of the mapping, or every column of the table, is in neither of them; or a column does
            not match its declaration.
    """
    features: dict[str, Column] = {name: entities.features[name].take(rows) for name in reads}
    features |= {name: column.take(torch.zeros_like(rows)) for name, column in context.items()}
    passed = torch.zeros(len(rows), dtype=torch.bool)
    if source is None or (isinstance(source, Mapping) and not source):
        return features, passed
    table = _open(source, ids, entities, features)
    at = _places(table, ids, entities)
    for name, column in features.items():
        if name in table:
            kind = entities.kinds[name] if name in reads else _kind(column)
            vocab = None if isinstance(column, Numbers) else column.vocab
            try:
                new = encode.feature(table.column(name), kind, table.where(name), vocab)
            except DataError as error:
                if not isinstance(source, Mapping):
                    raise
                # One value needs neither a row nor the ways to convert a column.
                raise DataError(f"feature {name!r} is {source[name]!r}; it must be {_rule(kind, vocab)}") from error
            known = (at >= 0) & new.known()[at]
            both = _joined(column, new)
            features[name] = both.take(torch.where(known, at + len(rows), torch.arange(len(rows))))
            passed |= known
    return features, passed


def _kind(context: Column) -> Feature:
    """How a context column is declared: times are kept in 64 bits, other numbers in 32."""
    if not isinstance(context, Numbers):
        return Categorical()
    return Timestamp() if context.values.dtype == torch.float64 else Numeric()


def _rule(kind: Feature, vocab: Vocab | None) -> str:
    """What the value of a feature must be."""
    known = "text" if vocab is None or vocab.is_text else "a whole number"
    match kind:
        case Numeric():
            return "a number, finite in 32 bits"
        case Timestamp():
            return "a time: seconds since 1970, or ISO 8601 text such as '2024-05-31T18:00:00'"
        case MultiValued():
            return f"a list, each of its values {known}, or text joined by {kind.separator!r}"
    return known


def _open(source: object, ids: Sequence[Any], entities: Entities, columns: Mapping[str, Column]) -> Table:
    """Open the table, and check that it has a column that is read."""
    key, reads = entities.key, list(columns)
    if not reads:
        raise ConfigError(
            f"the tower of {key!r} reads no features, so passing features changes nothing; train one that does, "
            "such as FeatureTower, on a log that declares them: Schema(user_features=...)"
        )
    if isinstance(source, Mapping):
        if len(ids) != 1:
            raise ConfigError(
                f"features={dict(source)!r} are those of one user, and {len(ids)} are asked for; give a table with one "
                f"row a user and the column {key!r}"
            )
        for name in source:
            if name not in reads:
                raise _unread(f"{name!r} is not a", name, key, reads)
        source = _frame({key: ids[0], **source})
    vocabs = {name: column.vocab for name, column in columns.items() if not isinstance(column, Numbers)}
    text = text_columns(entities.kinds, {key: entities.vocab, **vocabs})
    table = Table.open(source, NAME, needs=[key], wanted=(key, *reads), text=text)
    if not any(name in table for name in reads):
        others = [name for name in table.columns if name != key]
        raise _unread(f"none of the columns {', '.join(map(repr, others))} is a", (others or [""])[0], key, reads)
    return table


def _unread(what: str, name: object, key: str, reads: Sequence[str]) -> DataError:
    hint = did_you_mean(name, reads)
    return DataError(f"{what} feature that the tower of {key!r} reads{hint} It reads: {', '.join(reads)}.")


def _frame(values: Mapping[str, object]) -> pl.DataFrame:
    """A table of one row."""
    columns = []
    for name, value in values.items():
        try:
            columns.append(pl.Series(name, [value]))
        except (TypeError, pl.exceptions.PolarsError) as error:
            raise DataError(
                f"feature {name!r} has the value {value!r}; give a number, a text, a time or a list of them"
            ) from error
    return pl.DataFrame(columns)


def _places(table: Table, ids: Sequence[Any], entities: Entities) -> Int[Tensor, " n"]:
    """The table row of each id, -1 where there is none."""
    listed = read_ids_once(table, entities.key)
    entities.vocab.encode(listed)  # refuses ids of another type
    asked = pl.DataFrame({"id": pl.Series(ids, dtype=listed.dtype)})
    places = pl.DataFrame({"id": listed, "at": pl.int_range(len(listed), eager=True)})
    at = asked.join(places, on="id", how="left", maintain_order="left")["at"].fill_null(-1)
    return torch.from_numpy(at.to_numpy(writable=True))


def _joined(column: Column, new: Column) -> Column:
    match column, new:
        case (Codes(), Codes()):
            return column.followed_by(new)
        case (Bag(), Bag()):
            return column.followed_by(new)
        case (Numbers(), Numbers()):
            return column.followed_by(new)
    raise AssertionError("a declaration always gives the same kind of column")
