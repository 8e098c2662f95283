"""Batch: a slice of an event log's columns, and the loader that yields them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.data.vocab import Vocab
from motet.errors import ConfigError

LARGEST = 2**62  # of the keys that one sort orders: row numbers are far below, raw ids need not be


class Distinct(NamedTuple):
    """The distinct entities of a batch: `rows[index]` is the batch again, and `rows == batch[first]`."""

    rows: Int[Tensor, " distinct"]
    index: Int[Tensor, " batch"]  # type: ignore[assignment]  # the position is the point, not tuple.index
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
    ordered, order = _stable_sort(rows)  # the one sort that all four need
    values, group, counts = ordered.unique_consecutive(return_inverse=True, return_counts=True)
    index = torch.empty_like(order).scatter_(0, order, group)
    return Distinct(values, index, order[counts.cumsum(0) - counts], counts)


def _stable_sort(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Values and positions; on a CPU by numpy, which sorts rows and positions as one key ten times as fast as torch."""
    size = max(len(rows), 1)
    if rows.device.type != "cpu" or (len(rows) and max(map(abs, map(int, rows.aminmax()))) >= LARGEST // size):
        ordered, order = rows.sort(stable=True)
        return ordered, order
    keys = torch.from_numpy(np.sort((rows * size + torch.arange(len(rows))).numpy()))
    return keys // size, keys % size


@dataclass(frozen=True)
class Batch:
    """Columns of equal length, by name.

    Attributes:
        columns: Every column of the slice: entity rows (int64), signals (float32, NaN = not known), time, context.
        user_key: Name of the column of user rows.
        item_key: Name of the column of item rows.
        apart: The key columns whose equal rows may differ in context, and so count as distinct.
        time_key: Name of the column of times, if there is one.
        vocabs: What the rows of a column stand for: the ids of users and items, the values of categorical columns.
        preference: The weighting of the tasks, as `Model.prefer` encodes it; None stands for the model's own weights.
        embed: By id column, a function that embeds entities, in the batch or not; set by a model during training.
    """

    columns: Mapping[str, Tensor] = field(repr=False)
    user_key: str = "user_id"
    item_key: str = "item_id"
    apart: frozenset[str] = frozenset()
    time_key: str | None = None
    vocabs: Mapping[str, Vocab] = field(default_factory=dict, repr=False)
    preference: Float[Tensor, " tasks"] | None = None
    embed: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict, repr=False)

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
        return self._distinct(self.user_key)

    @cached_property
    def distinct_items(self) -> Distinct:
        """The distinct items of the batch, found once."""
        return self._distinct(self.item_key)

    def _distinct(self, key: str) -> Distinct:
        rows = self.columns[key]
        if key not in self.apart:
            return distinct(rows)
        each = torch.arange(len(rows), device=rows.device)
        return Distinct(rows, each, each, torch.ones_like(each))

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device.

        Args:
            device: Where to.

        Returns:
            The batch; the same tensors where they are there already.
        """
        return replace(self, columns={name: column.to(device) for name, column in self.columns.items()})

    def take(self, rows: Tensor | slice) -> Batch:
        """Some rows of every column.

        Args:
            rows: A slice (a view), a mask or an index (a copy).

        Returns:
            The rows as a batch.
        """
        return replace(self, columns={name: column[rows] for name, column in self.columns.items()})

    def separate(self, *keys: str) -> Batch:
        """The same batch with every row distinct on some sides.

        Args:
            *keys: Id columns whose equal rows do not share a vector.

        Returns:
            The batch.
        """
        return replace(self, apart=self.apart | set(keys))

    def entities(self, key: str, rows: Int[Tensor, " n"]) -> Batch:
        """A batch that holds nothing but entities of one side.

        Args:
            key: The side's id column.
            rows: Entity rows.

        Returns:
            What a tower without context needs to embed them.
        """
        return replace(self, columns={key: rows})


@runtime_checkable
class Columns(Protocol):
    """What a loader reads: an `EventLog`, or anything that can hand over all its columns as one batch."""

    def batch(self) -> Batch:
        """All rows, in the order of the log."""
        ...


class Loader:
    """Yields batches in a seeded order: one permutation per epoch, then slices; no Python code runs per row.

    Args:
        log: Where the columns come from.
        batch_size: Rows a batch; the last one of an epoch may be smaller.
        seed: Start of the order of every epoch.
        shuffle: Whether to permute the rows anew each epoch.
        device: Where the batches shall lie; all columns are moved there once.
        together: How many consecutive rows stay together, in order and in one batch; see `EventLog.together`.

    Raises:
        ConfigError: If a batch would hold less than one row, or less than the rows that stay together, or the
                rows do not divide into these.
    """

    def __init__(
        self,
        log: Columns,
        *,
        batch_size: int = 8192,
        seed: int = 0,
        shuffle: bool = True,
        device: torch.device | str = "cpu",
        together: int = 1,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size}; a batch holds at least one row")
        if batch_size < together:
            raise ConfigError(
                f"batch_size={batch_size}; {together} rows stay together, so a batch holds at least those"
            )
        self.all = log.batch().to(device)
        if len(self.all) % together:
            raise ConfigError(f"{len(self.all):,} rows do not divide into {together} at a time that stay together")
        self.batch_size = batch_size - batch_size % together
        self.together = together
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
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + number) % 2**63)
            blocks = torch.randperm(len(rows) // self.together, generator=generator)[:, None] * self.together
            order = (blocks + torch.arange(self.together)).flatten()
            rows = rows.take(order.to(rows.users.device))
        for start in range(0, len(rows), self.batch_size):
            yield rows.take(slice(start, start + self.batch_size))
