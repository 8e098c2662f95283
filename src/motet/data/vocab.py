"""Vocab: raw id <-> row. Row 0 is the unknown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from jaxtyping import Int
from torch import Tensor

from motet.data.ids import Ids, as_ids, as_series, kind_of
from motet.errors import ArtifactError, DataError

FEW = 64  # up to this many ids, as in serving, bisection finishes before a Polars query has started


@dataclass(frozen=True, eq=False)
class Vocab:
    """The known ids of one column, all text or all whole numbers, in ascending order.

    The order depends only on the set of ids, not on the order of the data or the number of threads.

    Attributes:
        name: Name of the column, for error messages.
        ids: Sorted and distinct; `ids[r - 1]` has row r.

    Example:
        >>> vocab = Vocab.build(pl.Series(["jazz", "blues", "jazz", None]), "genre")
        >>> vocab.encode(["blues", "jazz", "polka"])
        tensor([1, 2, 0])
        >>> len(vocab)
        3
    """

    name: str
    ids: pl.Series

    @classmethod
    def build(cls, values: Ids, name: str) -> Vocab:
        """Collect the distinct ids of a column; nulls are left out.

        Args:
            values: Ids, repeated or not.
            name: Name of the column.

        Returns:
            The vocabulary.

        Raises:
            DataError: If the values are neither all text nor all whole numbers.
        """
        ids = as_ids(as_series(values, name), f"column {name!r}")
        return cls(name, ids.unique().drop_nulls().sort().rename(name))

    def __len__(self) -> int:
        return len(self.ids) + 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocab) and self.name == other.name and self.ids.equals(other.ids, check_dtypes=True)

    def __hash__(self) -> int:
        return hash((self.name, len(self.ids)))

    def __repr__(self) -> str:
        return f"Vocab({self.name!r}, {len(self.ids):,} ids)"

    def __contains__(self, value: object) -> bool:
        if isinstance(value, np.generic):
            value = value.item()
        return type(value) is self._type and self._row(value) > 0

    def encode(self, values: Ids) -> Int[Tensor, " n"]:
        """Look up the rows of ids.

        Args:
            values: Ids of the vocabulary's own type.

        Returns:
            One row per id; 0 where the id is null or unknown.

        Raises:
            DataError: If the values are text and the vocabulary's ids are numbers, or vice versa.
        """
        if len(values) <= FEW and not isinstance(values, str) and all(type(id) is self._type for id in values):
            return torch.tensor([self._row(id) for id in values], dtype=torch.int64)
        series = as_series(values, self.name)
        if series.dtype == pl.Null or not len(self.ids):
            return torch.zeros(len(series), dtype=torch.int64)
        if series.dtype.is_integer():
            series = series.cast(pl.Int64, strict=False)  # a number that does not fit is unknown
        ids = as_ids(series, f"column {self.name!r}")
        if ids.dtype != self.ids.dtype:
            raise DataError(
                f"column {self.name!r} holds {kind_of(ids)} such as {ids.drop_nulls().first()!r}, but its known "
                f"ids are {kind_of(self.ids)} such as {self.ids.first()!r}; convert one of them"
            )
        # A few hundred ids are not worth a hash table of the whole vocabulary.
        rows = self._search(ids) if 64 * len(ids) < len(self.ids) else self._join(ids)
        return torch.from_numpy(rows.to_numpy(writable=True))

    def below(self, value: str | float) -> int:
        """How many ids come before a value, which need not be an id itself.

        Args:
            value: Text if the ids are text, else a number.

        Returns:
            The row of the last id below the value; 0 if there is none.

        Example:
            >>> Vocab.build([10, 20, 30], "age").below(25)
            2
        """
        return bisect_left(range(len(self.ids)), value, key=self.ids.item)

    def _row(self, id: str | int) -> int:
        place = self.below(id)
        return place + 1 if place < len(self.ids) and self.ids.item(place) == id else 0

    @cached_property
    def is_text(self) -> bool:
        """Whether the ids are text, not whole numbers."""
        return self.ids.dtype == pl.String

    @cached_property
    def _type(self) -> type[str] | type[int]:
        return str if self.is_text else int

    def _join(self, ids: pl.Series) -> pl.Series:
        joined = ids.to_frame("id").join(self._table, on="id", how="left", maintain_order="left")
        return joined["row"].fill_null(0)

    def _search(self, ids: pl.Series) -> pl.Series:
        position = self.ids.search_sorted(ids.fill_null(self.ids[0])).cast(pl.Int64).clip(0, len(self.ids) - 1)
        found = (self.ids.gather(position) == ids).fill_null(False)
        return (position + 1) * found.cast(pl.Int64)

    @cached_property
    def _table(self) -> pl.DataFrame:
        return pl.DataFrame({"id": self.ids, "row": pl.int_range(1, len(self), eager=True)})

    def decode(self, rows: Int[Tensor, " n"] | Sequence[int]) -> pl.Series:
        """Look up the ids of rows.

        Args:
            rows: Between 0 and `len(self) - 1`.

        Returns:
            One id a row, null for row 0.

        Raises:
            DataError: If a row is not in the vocabulary.
        """
        index = self._inside(rows)
        positions = pl.Series(self.name, index.numpy()) - 1
        return self.ids.gather(positions.set(positions < 0, None)).rename(self.name)

    def decode_list(self, rows: Int[Tensor, " n"] | Sequence[int]) -> list[Any]:
        """Look up the ids of rows, as a list: a few of them, as in serving, several times as fast as by `decode`.

        Args:
            rows: As in `decode`.

        Returns:
            One id a row, None for row 0.

        Raises:
            DataError: If a row is not in the vocabulary.
        """
        index = self._inside(rows)
        if len(index) > FEW:
            return self.decode(index).to_list()
        return [self.ids.item(row - 1) if row else None for row in index.tolist()]

    def _inside(self, rows: Int[Tensor, " n"] | Sequence[int]) -> Int[Tensor, " n"]:
        """The rows, checked."""
        index = torch.as_tensor(rows, dtype=torch.int64).cpu()
        if len(index):
            lowest, highest = map(int, index.aminmax())
            if lowest < 0 or highest >= len(self):
                row = int(index[(index < 0) | (index >= len(self))][0])
                raise DataError(f"row {row} is not in the vocabulary {self.name!r}; rows: 0 to {len(self) - 1}")
        return index

    def save(self, path: str | Path) -> None:
        """Write the ids as Parquet, in row order.

        Args:
            path: Where to write.
        """
        self.ids.to_frame(self.name).write_parquet(path)

    @classmethod
    def load(cls, path: str | Path) -> Vocab:
        """Read what `save` wrote.

        Args:
            path: The file.

        Returns:
            The vocabulary.

        Raises:
            ArtifactError: If the file is missing, damaged, or not a vocabulary.
        """
        try:
            frame = pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise ArtifactError(f"cannot read the vocabulary {Path(path).name}: {error}") from error
        if frame.width != 1 or frame.dtypes[0] not in (pl.String, pl.Int64):
            raise ArtifactError(
                f"{Path(path).name} is not a vocabulary: one column of text or 64-bit integers is needed"
            )
        ids = frame.to_series()
        if ids.null_count() or not ids.is_sorted() or ids.n_unique() < len(ids):
            raise ArtifactError(f"{Path(path).name} is not a vocabulary: its ids are not distinct and ascending")
        return cls(ids.name, ids)
