"""Batch: a slice of an event log's columns, and the loader that yields batches."""

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

LARGEST = 2**62  # bound of the combined sort keys: row numbers stay far below it, raw ids may not


class Distinct(NamedTuple):
    """The distinct entities of a batch: `rows[index]` restores the batch, and `rows == batch[first]`."""

    rows: Int[Tensor, " distinct"]
    index: Int[Tensor, " batch"]  # type: ignore[assignment]  # the position is the point, not tuple.index
    first: Int[Tensor, " distinct"]
    counts: Int[Tensor, " distinct"]


def distinct(rows: Int[Tensor, " batch"]) -> Distinct:
    """Group equal rows, so that work is done once per distinct row.

    Args:
        rows: Entity rows, in any order.

    Returns:
        The distinct rows in ascending order, the position of each batch row among them, the first batch row of each,
        and the count of each.

    Example:
        >>> distinct(torch.tensor([7, 3, 7])).counts
        tensor([1, 2])
    """
    ordered, order = _stable_sort(rows)  # one sort serves all four
    values, group, counts = ordered.unique_consecutive(return_inverse=True, return_counts=True)
    index = torch.empty_like(order).scatter_(0, order, group)
    return Distinct(values, index, order[counts.cumsum(0) - counts], counts)


def _stable_sort(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted values and their positions; numpy sorts both as one key, ten times as fast as torch on a CPU."""
    size = max(len(rows), 1)
    if rows.device.type != "cpu" or (len(rows) and max(map(abs, map(int, rows.aminmax()))) >= LARGEST // size):
        ordered, order = rows.sort(stable=True)
        return ordered, order
    keys = torch.from_numpy(np.sort((rows * size + torch.arange(len(rows))).numpy()))
    return keys // size, keys % size


@dataclass(frozen=True)
class Batch:
    """Columns of equal length, by name.

    To score n users with c items each, columns have the shapes `[n, 1]` and `[n, c]`, which broadcast.

    Attributes:
        columns: Every column of the slice: entity rows (int64), signals (float32, NaN = unknown), time, context.
        user_key: Name of the column of user rows.
        item_key: Name of the column of item rows.
        apart: The id columns whose equal rows may differ in context, and so count as distinct.
        time_key: Name of the column of times, if there is one.
        vocabs: The vocabularies of columns that hold rows: ids of users and items, values of categorical columns.
        preference: The weighting of the tasks, as `Model.prefer` encodes it; None stands for the model's own weights.
        embed: By id column, a function that embeds any entities; set by a model during training.
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
    def users(self) -> Int[Tensor, "*batch"]:
        """User rows."""
        return self.columns[self.user_key]

    @property
    def items(self) -> Int[Tensor, "*batch"]:
        """Item rows."""
        return self.columns[self.item_key]

    @cached_property
    def distinct_users(self) -> Distinct:
        """The distinct users of the batch, cached."""
        return self._distinct(self.user_key)

    @cached_property
    def distinct_items(self) -> Distinct:
        """The distinct items of the batch, cached."""
        return self._distinct(self.item_key)

    def _distinct(self, key: str) -> Distinct:
        rows = self.columns[key]
        if key not in self.apart:
            return distinct(rows)
        each = torch.arange(len(rows), device=rows.device)
        return Distinct(rows, each, each, torch.ones_like(each))

    def to(self, device: torch.device | str) -> Batch:
        """Move the batch to a device.

        Args:
            device: The target.

        Returns:
            The batch; tensors already on the device are not copied.
        """
        return replace(self, columns={name: column.to(device) for name, column in self.columns.items()})

    def take(self, rows: Tensor | slice) -> Batch:
        """Select rows of every column.

        Args:
            rows: A slice (gives a view), a mask or an index (gives a copy).

        Returns:
            The rows as a batch.
        """
        return replace(self, columns={name: column[rows] for name, column in self.columns.items()})

    def separate(self, *keys: str) -> Batch:
        """Treat equal rows of some id columns as distinct.

        Args:
            *keys: Id columns whose equal rows do not share a vector.

        Returns:
            The batch.
        """
        return replace(self, apart=self.apart | set(keys))

    def entities(self, key: str, rows: Int[Tensor, " n"]) -> Batch:
        """Build a batch of entities of one side, without any other column.

        Args:
            key: The id column of the side.
            rows: Entity rows.

        Returns:
            A batch that a tower without context can embed.
        """
        return replace(self, columns={key: rows})


@runtime_checkable
class Columns(Protocol):
    """What a loader reads: an `EventLog`, or anything that gives all its columns as one batch."""

    def batch(self) -> Batch:
        """All rows, in the order of the log."""
        ...


class Loader:
    """Yields batches in a seeded order: one permutation per epoch, then slices; no Python code runs per row.

    Args:
        log: The rows.
        batch_size: Rows per batch; the last one of an epoch may be smaller.
        seed: Seed of the row order.
        shuffle: Whether to permute the rows in each epoch.
        device: The device of the batches; all columns are moved there once.
        together: How many consecutive rows stay together, in order and in one batch; see `EventLog.together`.

    Raises:
        ConfigError: If `batch_size` is below 1 or below `together`, or the number of rows is not a multiple of
            `together`.
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
                f"batch_size={batch_size}; {together} rows stay together, so a batch holds at least as many"
            )
        self.all = log.batch().to(device)
        if len(self.all) % together:
            raise ConfigError(f"{len(self.all):,} rows are not a multiple of the {together} that stay together")
        self.batch_size = batch_size - batch_size % together
        self.together = together
        self.seed = seed
        self.shuffle = shuffle

    def __len__(self) -> int:
        return -(-len(self.all) // self.batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of one epoch; the same number gives the same batches.

        Args:
            number: The epoch, from 0.

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
