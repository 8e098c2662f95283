"""Batch: a slice of an event log's columns, and the loader that yields them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor


class Distinct(NamedTuple):
    """The distinct entities of a batch: `rows[index]` is the batch again, and `rows == batch[first]`."""

    rows: Int[Tensor, " distinct"]
    index: Int[Tensor, " batch"]
    first: Int[Tensor, " distinct"]
    counts: Int[Tensor, " distinct"]


def distinct(rows: Int[Tensor, " batch"]) -> Distinct:
    """Group equal rows, so that work shared by equal rows is done once.

    Args:
        rows: Entity rows, in any order.

    Returns:
        The distinct rows in ascending order, where each batch row finds its own, the first batch row that
        holds each, and how many do.

    Example:
        >>> distinct(torch.tensor([7, 3, 7])).counts
        tensor([1, 2])
    """
    values, index, counts = rows.unique(return_inverse=True, return_counts=True)
    order = index.argsort(stable=True)
    first = order[counts.cumsum(0) - counts]
    return Distinct(values, index, first, counts)


@dataclass(frozen=True)
class Batch:
    """Columns of equal length, by name.

    Attributes:
        columns: Every column of the slice: entity rows (int64), signals (float32, NaN = not known), time, context.
        user_key: Name of the column of user rows.
        item_key: Name of the column of item rows.
    """

    columns: Mapping[str, Tensor] = field(repr=False)
    user_key: str = "user_id"
    item_key: str = "item_id"

    def __getitem__(self, name: str) -> Tensor:
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def users(self) -> Int[Tensor, " batch"]:
        """User rows."""
        return self.columns[self.user_key]

    @property
    def items(self) -> Int[Tensor, " batch"]:
        """Item rows."""
        return self.columns[self.item_key]

    @cached_property
    def distinct_users(self) -> Distinct:
        """The distinct users of the batch, found once."""
        return distinct(self.users)

    @cached_property
    def distinct_items(self) -> Distinct:
        """The distinct items of the batch, found once."""
        return distinct(self.items)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch({name: column.to(device) for name, column in self.columns.items()}, self.user_key, self.item_key)

    def take(self, rows: Tensor | slice) -> Batch:
        """Some rows of every column: a slice is a view, a mask or an index copies."""
        return Batch({name: column[rows] for name, column in self.columns.items()}, self.user_key, self.item_key)


@runtime_checkable
class Columns(Protocol):
    """What a loader reads: an `EventLog`, or anything that can hand over all its columns as one batch."""

    def batch(self) -> Batch:
        """All rows, in the order of the log."""
        ...


class Loader:
    """Whole batches in a seeded order: one permutation an epoch, then slices, no work for each row in Python.

    Args:
        log: Where the columns come from.
        batch_size: Rows a batch; the last one of an epoch may be smaller.
        seed: Start of the order of every epoch.
        shuffle: Whether to permute the rows anew each epoch.
    """

    def __init__(self, log: Columns, *, batch_size: int = 8192, seed: int = 0, shuffle: bool = True) -> None:
        self.all = log.batch()
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle

    def __len__(self) -> int:
        return -(-len(self.all) // self.batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of one epoch; the same number gives the same batches.

        Args:
            number: Which epoch, from 0.

        Yields:
            Batches of at most `batch_size` rows.
        """
        rows = self.all
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
            rows = rows.take(torch.randperm(len(rows), generator=generator))
        for start in range(0, len(rows), self.batch_size):
            yield rows.take(slice(start, start + self.batch_size))
