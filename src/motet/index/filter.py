"""Filter: which rows of an index may answer which query."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from motet.errors import ConfigError
from motet.index.base import Rows

BANNED = torch.iinfo(torch.int32).min  # stands for minus infinity where scores are whole numbers


@dataclass(frozen=True)
class Pairs:
    """A line of rows for each query: those of query q are `rows[offsets[q]:offsets[q + 1]]`, where `lines` is q."""

    rows: Int[Tensor, " pairs"]
    offsets: list[int]

    @cached_property
    def lines(self) -> Int[Tensor, " pairs"]:
        """The query of each row."""
        lengths = torch.tensor(self.offsets, device=self.rows.device).diff()
        return torch.arange(len(lengths), device=self.rows.device).repeat_interleave(lengths)

    @classmethod
    def of(cls, lines: Rows) -> Pairs:
        """Join one tensor a query.

        Args:
            lines: A sequence of 1-D tensors of rows.

        Returns:
            The lines end to end.
        """
        offsets = [0]
        for line in lines:
            offsets.append(offsets[-1] + len(line))
        if len(lines) == 1:
            return cls(lines[0], offsets)
        return cls(torch.cat([*lines]) if len(lines) else torch.zeros(0, dtype=torch.long), offsets)

    def longest(self) -> int:
        """How many rows the longest line has."""
        return max((end - start for start, end in pairwise(self.offsets)), default=0)

    def within(self, queries: slice, rows: slice) -> tuple[Tensor, Tensor]:
        """Where the pairs lie in a block of scores: their line and their column of it."""
        here = slice(self.offsets[queries.start], self.offsets[queries.stop])
        part, line = self.rows[here], self.lines[here]
        inside = (part >= rows.start) & (part < rows.stop)
        return line[inside] - queries.start, part[inside] - rows.start


class Filter:
    """What may be found: `only` less `exclude`.

    Args:
        exclude: Rows that must not be found: for all queries, or a tensor for each.
        only: Rows that may be found; all of them where not given.
        removed: Rows that the index no longer finds, whoever asks.
        queries: How many queries ask.
        rows: How many rows the index holds.
        device: Where the scores will be.

    Raises:
        ConfigError: If a filter names a row outside the index or has not one tensor a query.

    Attributes:
        most: The largest number of rows that are kept from one query, `only` aside.
    """

    def __init__(
        self,
        *,
        exclude: Rows | None,
        only: Rows | None,
        removed: Int[Tensor, " removed"],
        queries: int,
        rows: int,
        device: torch.device,
    ) -> None:
        self.exclude: Pairs | None = None
        self.only: Pairs | None = None
        self.mask: Bool[Tensor, " rows"] | None = None
        self.shared = removed
        if isinstance(exclude, Tensor):
            self.shared = torch.cat([removed, inside("exclude", exclude, rows).to(device)])
        elif exclude is not None:
            self.exclude = _pairs("exclude", exclude, queries, rows, device)
        if isinstance(only, Tensor):
            self.mask = torch.ones(rows, dtype=torch.bool, device=device)
            self.mask[inside("only", only, rows).to(device)] = False
            self.mask[self.shared] = True
        elif only is not None:
            self.only = _pairs("only", only, queries, rows, device)
        self.most = len(self.shared) + (self.exclude.longest() if self.exclude else 0)

    def apply(self, scores: Shaped[Tensor, "n m"], queries: slice, rows: slice) -> None:
        """Set what may not be found to minus infinity, in place.

        Args:
            scores: The scores of a block; where they are whole numbers, `BANNED` stands for minus infinity.
            queries: Which queries the block holds.
            rows: Which rows of the index it holds.
        """
        least = -math.inf if scores.is_floating_point() else BANNED
        if self.mask is not None:
            scores.masked_fill_(self.mask[rows], least)
        elif len(self.shared):
            inside = (self.shared >= rows.start) & (self.shared < rows.stop)
            scores[:, self.shared[inside] - rows.start] = least
        if self.only is not None:
            banned = torch.ones_like(scores, dtype=torch.bool)
            banned[self.only.within(queries, rows)] = False
            scores.masked_fill_(banned, least)
        if self.exclude is not None:
            scores[self.exclude.within(queries, rows)] = least

    def banned(self, query: int) -> npt.NDArray[np.int64]:
        """What a query may not find, `only` aside.

        Args:
            query: Its number.

        Returns:
            Rows, in any order; one may come twice.
        """
        shared = self.shared.numpy()
        if self.exclude is None:
            return shared
        own = self.exclude.rows.numpy()[self.exclude.offsets[query] : self.exclude.offsets[query + 1]]
        return np.concatenate([shared, own]) if len(shared) else own


def _pairs(name: str, lines: Rows, queries: int, rows: int, device: torch.device) -> Pairs:
    if len(lines) != queries:
        raise ConfigError(f"{name!r} has {len(lines)} lines for {queries} queries; give one tensor of rows a query")
    pairs = Pairs.of(lines)
    return Pairs(inside(name, pairs.rows, rows).to(device), pairs.offsets)


def inside(name: str, rows: Int[Tensor, " n"], size: int) -> Int[Tensor, " n"]:
    """Check that rows are rows of an index.

    Args:
        name: Of the argument, for the message.
        rows: Of any whole-number type.
        size: How many rows the index holds.

    Returns:
        The rows, as 64-bit numbers.

    Raises:
        ConfigError: If one is not; the message names the first.
    """
    if len(rows):
        lowest, highest = map(int, rows.aminmax())
        if lowest < 0 or highest >= size:
            outside = rows[(rows < 0) | (rows >= size)]
            raise ConfigError(f"{name!r} names row {int(outside[0])}; the index holds rows 0 to {size - 1}")
    return rows.long()
