"""Entities: everything known about the users or the items, one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.schema import Feature
from motet.data.vocab import Vocab

READABLE = (pl.String, pl.Categorical, pl.Enum, pl.List(pl.String))
DESCRIBING = 2  # columns of the table that describe an entity


@dataclass(frozen=True)
class Codes:
    """A categorical column: for each entity or event, a row of the column's own vocabulary."""

    rows: Int[Tensor, " n"]
    vocab: Vocab

    def known(self) -> Bool[Tensor, " n"]:
        """Which rows have a known value."""
        return self.rows > 0

    def take(self, lines: Int[Tensor, " m"]) -> Codes:
        """Select rows, in any order."""
        return Codes(self.rows[lines], self.vocab)

    def followed_by(self, other: Codes) -> Codes:
        """Concatenate with another column that has the same vocabulary."""
        return Codes(torch.cat([self.rows, other.rows]), self.vocab)


@dataclass(frozen=True)
class Bag:
    """A multi-valued or text column: for row r, `rows[offsets[r]:offsets[r + 1]]` of its vocabulary."""

    rows: Int[Tensor, " values"]
    offsets: Int[Tensor, " n_plus_1"]
    vocab: Vocab

    def known(self) -> Bool[Tensor, " n"]:
        """Which rows have a known value."""
        return self.offsets.diff() > 0

    def take(self, lines: Int[Tensor, " m"]) -> Bag:
        """Select rows, in any order."""
        values, starts, sizes = gather_bags(self.offsets, lines)
        return Bag(self.rows[values], torch.cat([starts, sizes.sum()[None]]), self.vocab)

    def followed_by(self, other: Bag) -> Bag:
        """Concatenate with another column that has the same vocabulary."""
        offsets = torch.cat([self.offsets, self.offsets[-1] + other.offsets[1:]])
        return Bag(torch.cat([self.rows, other.rows]), offsets, self.vocab)


def gather_bags(
    offsets: Int[Tensor, " n_plus_1"], rows: Int[Tensor, " batch"]
) -> tuple[Int[Tensor, " values"], Int[Tensor, " batch"], Int[Tensor, " batch"]]:
    """Locate the values of some bags in the whole column.

    Args:
        offsets: Where each bag of the column begins, and where the last one ends.
        rows: Which bags.

    Returns:
        The positions of their values, bag by bag; where each bag begins among these; and the size of each bag.
    """
    begin = offsets[rows]
    sizes = offsets[rows + 1] - begin
    starts = sizes.cumsum(0) - sizes
    # A value is as far from the start of its bag in the column as it is in the batch.
    shift = (begin - starts).repeat_interleave(sizes)
    return torch.arange(len(shift), device=rows.device) + shift, starts, sizes


@dataclass(frozen=True)
class Numbers:
    """A numeric column, or times in seconds since 1970; NaN where the value is unknown."""

    values: Float[Tensor, " n"]

    def known(self) -> Bool[Tensor, " n"]:
        """Which rows have a known value."""
        return ~self.values.isnan()

    def take(self, lines: Int[Tensor, " m"]) -> Numbers:
        """Select rows, in any order."""
        return Numbers(self.values[lines])

    def followed_by(self, other: Numbers) -> Numbers:
        """Concatenate with another column."""
        return Numbers(torch.cat([self.values, other.values]))


Column = Codes | Bag | Numbers


@dataclass(frozen=True)
class Entities:
    """The users or the items of a log: their ids, their declared features, and their table as it was read.

    Row 0 is the unknown entity: its features are the unknown category, an empty bag, or NaN.

    Attributes:
        key: Name of the id column; also the name of the column of entity rows in a `Batch`.
        vocab: Maps ids to rows; `len(vocab)` counts row 0.
        features: Declared features by column name; every column has `len(vocab)` rows.
        kinds: How each feature was declared.
        table: The raw table, one row per known id in the order of `vocab`: table row r is entity row r + 1.
    """

    key: str
    vocab: Vocab
    features: Mapping[str, Column] = field(default_factory=dict)
    kinds: Mapping[str, Feature] = field(default_factory=dict)
    table: pl.DataFrame = field(default_factory=pl.DataFrame)

    def __len__(self) -> int:
        return len(self.vocab)

    def in_words(self, rows: Sequence[int]) -> dict[str, list[str]]:
        """What the table says of some entities in its first columns of text, or of lists of text.

        Args:
            rows: Entity rows, in any order.

        Returns:
            One text per row, by column; two columns at most, which is enough for a title and its genres.

        Example:
            >>> films = pl.DataFrame({"film": [7, 9], "year": [1990, 1995], "genres": [["war", "drama"], None]})
            >>> Entities("film", Vocab.build(films["film"], "film"), table=films).in_words([1, 2])
            {'genres': ['war, drama', '']}
        """
        readable = [name for name, kind in self.table.schema.items() if kind in READABLE and name != self.key]
        places = pl.Series([row - 1 if row else None for row in rows], dtype=pl.Int64)
        told = {name: self.table[name].gather(places).to_list() for name in readable[:DESCRIBING]}
        return {name: [_in_words(value) for value in values] for name, values in told.items()}


def _in_words(value: str | list[str | None] | None) -> str:
    return value if isinstance(value, str) else ", ".join(each for each in value or () if each is not None)
