"""Rounded: vectors in eight bits a number, with a bound of what the rounding changes, to leave most rows aside."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int, Int8
from torch import Tensor

from motet.index.filter import BANNED, Filter
from motet.layers.precision import factors_lost

FEWEST = 50_000  # rows; fewer are compared in full as quickly
NARROWEST = 8  # numbers a row; of one alone torch 2.13 returns memory that nobody wrote
GROUP = 64  # rows that share a bound, and of which only the best is looked at first
LITTLE = 16  # of these, where there are few groups
FINE = 16  # groups for each row wanted: the k best rows lie in nearly k of so many
LARGEST = 127  # of a rounded number, on both sides of zero
BLOCK = 128 * GROUP  # rows that are rounded at once, in double precision: a cache holds them
SHARE = 4  # where one group in four may hold one of the best, comparing all rows in full is the quicker way
PRODUCTS = 12 << 20  # products held at once, 48 MB: those of twelve queries with a million rows
ROWS = 4096  # and four for each row wanted: where more may be among the best, so many that memory runs short
TOLD = 1 << 22  # rows told at once, were they as many for every query as there may be


class Rounded:
    r"""Whole numbers in place of vectors, and how far from the dot product theirs can be.

    Columns are moved to their mean $\mu$ and scaled by their spread $\sigma$, and the rows of a group are rounded to
    whole multiples of one step $t$, a query to multiples of $s$. With $q' = q \odot \sigma$ and
    $x' = (x - \mu) / \sigma$,

    $$ | q \cdot x - q \cdot \mu - s \, t \; [q'/s] \cdot [x'/t] | \le
       \|q'\| \, \| x' - t [x'/t] \| + \| q' - s [q'/s] \| \, \| t [x'/t] \| $$

    by the inequality of Cauchy and Schwarz. The product of whole numbers is exact and reads a quarter of the memory.
    The bounds are taken over the rows of a group, and increased by what the additions of a dot product in single
    precision can lose. So no row is left aside that comparing all vectors would find.

    Args:
        codes: The whole numbers, one line for each of the first rows of an index.
        columns: Mean and spread of each column.
        groups: For each group of rows its step, and the largest of both lengths that the bound needs.
        longest: The largest length of a vector whose columns are divided by their spreads.

    Source:
        The scheme is that of vector approximation files: Weber et al., "A quantitative analysis and performance study
        for similarity-search methods in high-dimensional spaces", VLDB 1998.
    """

    def __init__(
        self,
        *,
        codes: Int8[Tensor, "rows width"],
        columns: Float32[Tensor, "2 width"],
        groups: Float32[Tensor, "groups 3"],
        longest: Float64[Tensor, ""],
    ) -> None:
        self.codes, self.columns, self.groups, self.longest = codes, columns, groups, longest
        self.mean, self.spread = columns.double()
        self.step, self.error, self.length = groups.double().T.contiguous()

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def of(cls, vectors: Float32[Tensor, "rows width"]) -> Rounded:
        """Round vectors.

        Args:
            vectors: At least one, one a row, finite.

        Returns:
            The rounded rows; the last ones, which fill no group, are left out.
        """
        blocks = vectors.split(BLOCK)
        mean = torch.stack([block.double().sum(0) for block in blocks]).sum(0) / len(vectors)
        square = torch.stack([(block.double() - mean).square().sum(0) for block in blocks]).sum(0)
        spread = (square / len(vectors)).sqrt().float().clamp(min=torch.finfo(torch.float32).tiny)
        columns = torch.stack([mean.float(), torch.where(square > 0, spread, 1.0)])
        codes = torch.empty(0, vectors.shape[1], dtype=torch.int8)
        nothing = torch.empty(0, 3)
        longest = torch.zeros((), dtype=torch.float64)
        return cls(codes=codes, columns=columns, groups=nothing, longest=longest).extended(vectors)

    def extended(self, vectors: Float32[Tensor, "rows width"]) -> Rounded:
        """Round more rows, as the first ones were.

        Args:
            vectors: Those of the first rows and more behind them.

        Returns:
            The rounded rows; the last ones, which fill no group, are left out.
        """
        known, size = len(self), len(vectors) // GROUP * GROUP
        codes = torch.empty(size, vectors.shape[1], dtype=torch.int8)
        codes[:known] = self.codes
        groups, longest = [self.groups], [self.longest]
        for start in range(known, size, BLOCK):
            part = slice(start, min(start + BLOCK, size))
            block = vectors[part].double()
            longest.append((block / self.spread).norm(dim=1).amax())
            codes[part], bounds = _rounded((block - self.mean) / self.spread)
            groups.append(bounds)
        widest = torch.stack(longest).amax()
        return Rounded(codes=codes, columns=self.columns, groups=torch.cat(groups), longest=widest)

    def reaching(self, queries: Float32[Tensor, "n *heads width"], k: int, allowed: Filter) -> Iterator[Reached]:
        """Rows among which the k best lie, by the dot product in single precision, ties included.

        Args:
            queries: Each of one head or several, of which the best counts.
            k: How many rows are wanted, at most one in 64.
            allowed: What may be found.

        Yields:
            The rows of some queries, one block of queries after another.
        """
        queries = _with_heads(queries)
        size = max(1, PRODUCTS // (len(self) * queries.shape[1]))
        memory = torch.empty(min(size, len(queries)) * queries.shape[1], len(self), dtype=torch.int32)
        told = TOLD // (ROWS + 4 * k) + 1
        for first in range(0, len(queries), told):
            asked = self._asked(queries[first : first + told])
            found = []
            for start in range(0, len(asked.whole), size):
                some = _Asked(*(part[start : start + size] for part in asked))
                products = torch._int_mm(some.whole.flatten(0, 1), self.codes.T, out=memory[: some.step.numel()])
                products = products.view(len(some.whole), -1, len(self))
                lines = slice(first + start, first + start + len(products))
                for head in products.unbind(1):
                    allowed.apply(head, lines, slice(0, len(self)))
                line, row, few = self._within(products, some, k)
                found.append((line + start, row, few))
            yield Reached(slice(first, first + len(asked.whole)), *map(torch.cat, zip(*found, strict=True)))

    def lost(self, queries: Float32[Tensor, "n *heads width"]) -> Float64[Tensor, " n"]:
        """What rounding can take from a matrix product in single precision, whatever the order of its additions.

        Args:
            queries: As `reaching` takes them.

        Returns:
            A bound for each query.
        """
        asked = self._asked(_with_heads(queries))
        return (asked.lost + factors_lost(queries) * asked.length * self.longest).amax((1, 2))

    def _asked(self, queries: Tensor) -> _Asked:
        """Round queries."""
        scaled = queries.double() * self.spread
        step = scaled.abs().amax(2, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny) / LARGEST
        whole = (scaled / step).round_()
        off, length = (part.norm(dim=2, keepdim=True) for part in (scaled - step * whole, scaled))
        start = (queries.double() @ self.mean)[..., None]
        width, single = queries.shape[2], torch.finfo(torch.float32)
        lost = (width + 2) * single.eps / 2 * length * self.longest + width * single.tiny
        return _Asked(whole.to(torch.int8), step, start, length, off, lost)

    def _within(self, products: Tensor, asked: _Asked, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """Line and row of what may reach a score that k rows are sure to reach; and for which lines that is told."""
        heads, fine = products.shape[1], GROUP if len(self) >= FINE * GROUP * k else LITTLE
        products = products.unflatten(2, (-1, fine))
        largest, step = products.amax(3), asked.step * self.step
        room = asked.length * self.error + asked.off * self.length + asked.lost
        if fine < GROUP:
            step, room = (part.repeat_interleave(GROUP // fine, 2) for part in (step, room))
        middle = torch.addcmul(asked.start, step, largest).masked_fill_(largest == BANNED, -math.inf)
        cut = _reached_by(k, _best_head(middle - room))
        may = _best_head(middle + room) >= cut[:, None]
        few = cut.isfinite() & (may.sum(1) * SHARE <= may.shape[1])
        line, group = (may & few[:, None]).nonzero(as_tuple=True)
        least = (cut[line, None] - asked.start[line, :, 0] - room[line, :, group]) / step[line, :, group]
        least = least.floor_().clamp_(BANNED + 1, -BANNED - 1).int()
        cells = (line[:, None] * heads + torch.arange(heads)) * may.shape[1] + group[:, None]
        good = products.flatten(0, 2).index_select(0, cells.flatten()).view(-1, heads, fine) >= least[..., None]
        found, within = _best_head(good).nonzero(as_tuple=True)
        line, row = line[found], group[found] * fine + within
        few &= line.bincount(minlength=len(few)) <= ROWS + 4 * k
        return line[few[line]], row[few[line]], few


class Reached(NamedTuple):
    """Rows that may be among the best of some queries."""

    queries: slice
    line: Int[Tensor, " pairs"]  # in ascending order, counted from the first of the queries
    row: Int[Tensor, " pairs"]  # of one line in ascending order
    few: Bool[Tensor, " lines"]  # where it is not, a query has no pair, for it may have too many


class _Asked(NamedTuple):
    """Rounded queries, and what the bounds need of them."""

    whole: Int8[Tensor, "n heads width"]
    step: Float64[Tensor, "n heads 1"]
    start: Float64[Tensor, "n heads 1"]  # their products with the mean
    length: Float64[Tensor, "n heads 1"]
    off: Float64[Tensor, "n heads 1"]  # lengths of what rounding took
    lost: Float64[Tensor, "n heads 1"]


def suits(vectors: Float[Tensor, "rows width"]) -> bool:
    """Whether rounding these vectors is of use here.

    Args:
        vectors: One a row.

    Returns:
        True for many vectors in single precision on a processor that multiplies whole numbers quickly and never drops
        the end of a large sum (with VNNI).
    """
    many = len(vectors) >= FEWEST and vectors.shape[1] >= NARROWEST
    return many and vectors.dtype == torch.float32 and vectors.device.type == "cpu" and torch.cpu._is_vnni_supported()


def _with_heads(queries: Tensor) -> Tensor:
    return queries[:, None] if queries.ndim == 2 else queries


def _best_head(values: Tensor) -> Tensor:
    return values[:, 0] if values.shape[1] == 1 else values.amax(1)


def _reached_by(k: int, lower: Tensor) -> Tensor:
    """Of each line a number that k are not below: nearly the largest, found in single precision, which is quicker."""
    least = lower.float().topk(k, sorted=False).values.amin(1)
    return torch.nextafter(least, torch.tensor(-math.inf)).double()


def _rounded(block: Tensor) -> tuple[Tensor, Tensor]:
    """The codes of some groups, and what their bounds need: step, largest error, largest length."""
    rows = block.view(-1, GROUP, block.shape[1])
    step = rows.abs().amax((1, 2)).clamp(min=1e-30).div(LARGEST).float()
    whole = (rows / step[:, None, None].double()).round_().clamp_(-LARGEST, LARGEST)
    held = whole * step[:, None, None].double()
    bounds = torch.stack([(rows - held).norm(dim=2).amax(1), held.norm(dim=2).amax(1)], 1)
    upwards = bounds.float() * (1 + 2.0**-20)
    return whole.view(block.shape).to(torch.int8), torch.cat([step[:, None], upwards], 1)
