"""Entities: everything known about the users, or about the items, one row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl
from jaxtyping import Float, Int
from torch import Tensor

from motet.data.schema import Feature
from motet.data.vocab import Vocab


@dataclass(frozen=True)
class Codes:
    """A categorical column: one row of its own vocabulary for each entity or event."""

    rows: Int[Tensor, " n"]
    vocab: Vocab


@dataclass(frozen=True)
class Bag:
    """A multi-valued or text column: for row r, `rows[offsets[r]:offsets[r + 1]]` of its vocabulary."""

    rows: Int[Tensor, " values"]
    offsets: Int[Tensor, " n_plus_1"]
    vocab: Vocab


@dataclass(frozen=True)
class Numbers:
    """A numeric column, or a timestamp in seconds since 1970; NaN where the value is not known."""

    values: Float[Tensor, " n"]


Column = Codes | Bag | Numbers


@dataclass(frozen=True)
class Entities:
    """The users or the items of a log: their ids, their declared features, and their table as it was read.

    Row 0 stands for the unknown: every feature there is the unknown category, the empty bag, or NaN.

    Attributes:
        key: Name of the id column, which is also the name of the entity's rows in a `Batch`.
        vocab: Id to row; `len(vocab)` counts row 0.
        features: Declared features by column name; every column has `len(vocab)` rows.
        kinds: How each feature was declared.
        table: The raw table, one row for each known id in the order of `vocab` (so table row r is entity row r + 1).
    """

    key: str
    vocab: Vocab
    features: Mapping[str, Column] = field(default_factory=dict)
    kinds: Mapping[str, Feature] = field(default_factory=dict)
    table: pl.DataFrame = field(default_factory=pl.DataFrame)

    def __len__(self) -> int:
        return len(self.vocab)
