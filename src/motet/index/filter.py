"""Filter: which rows of an index may answer which query, as a mask of minus infinity."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.errors import ConfigError
from motet.index.base import Rows


class Pairs(NamedTuple):
    """A line of rows for each query: those of query q are `rows[offsets[q]:offsets[q + 1]]`."""

    rows: Int[Tensor, " pairs"]
    offsets: list[int]

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
        return cls(torch.cat([*lines]) if len(lines) else torch.zeros(0, dtype=torch.long), offsets)

    def within(self, queries: slice, rows: slice) -> tuple[Tensor, Tensor]:
        """Where the pairs lie in a block of scores: their line and their column of it."""
        offsets = torch.tensor(self.offsets[queries.start : queries.stop + 1], device=self.rows.device)
        part = self.rows[self.offsets[queries.start] : self.offsets[queries.stop]]
        line = torch.arange(len(offsets) - 1, device=part.device).repeat_interleave(offsets.diff())
        inside = (part >= rows.start) & (part < rows.stop)
        return line[inside], part[inside] - rows.start


class Filter:
    """What may be found: `only` less `exclude`.

    Args:
        exclude: Rows that must not be found: for all queries, or a tensor for each.
        only: Rows that may be found; all of them where not given.
        queries: How many queries ask.
        rows: How many rows the index holds.
        device: Where the scores will be.

    Raises:
        ConfigError: If a filter names a row outside the index or has not one tensor a query.
    """

    def __init__(
        self, *, exclude: Rows | None, only: Rows | None, queries: int, rows: int, device: torch.device
    ) -> None:
        self.banned: Bool[Tensor, " rows"] = torch.zeros(rows, dtype=torch.bool, device=device)
        self.exclude: Pairs | None = None
        self.only: Pairs | None = None
        if isinstance(only, Tensor):
            self.banned[:] = True
            self.banned[_inside("only", only, rows).to(device)] = False
        elif only is not None:
            self.only = _pairs("only", only, queries, rows, device)
        if isinstance(exclude, Tensor):
            self.banned[_inside("exclude", exclude, rows).to(device)] = True
        elif exclude is not None:
            self.exclude = _pairs("exclude", exclude, queries, rows, device)

    def apply(self, scores: Float[Tensor, "n m"], queries: slice, rows: slice) -> None:
        """Set what may not be found to minus infinity, in place.

        Args:
            scores: The scores of a block.
            queries: Which queries the block holds.
            rows: Which rows of the index it holds.
        """
        scores.masked_fill_(self.banned[rows], -math.inf)
        if self.only is not None:
            banned = torch.ones_like(scores, dtype=torch.bool)
            banned[self.only.within(queries, rows)] = False
            scores.masked_fill_(banned, -math.inf)
        if self.exclude is not None:
            scores[self.exclude.within(queries, rows)] = -math.inf


def _pairs(name: str, lines: Rows, queries: int, rows: int, device: torch.device) -> Pairs:
    if len(lines) != queries:
        raise ConfigError(f"{name!r} has {len(lines)} lines for {queries} queries; give one tensor of rows a query")
    pairs = Pairs.of(lines)
    return Pairs(_inside(name, pairs.rows, rows).to(device), pairs.offsets)


def _inside(name: str, rows: Tensor, size: int) -> Tensor:
    outside = rows[(rows < 0) | (rows >= size)]
    if len(outside):
        raise ConfigError(f"{name!r} names row {int(outside[0])}; the index holds rows 0 to {size - 1}")
    return rows.long()
