"""Rounded: vectors in eight bits a number, with a bound of what the rounding changes, to leave most rows aside."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float, Float32, Float64, Int, Int8
from torch import Tensor

from motet.index.filter import BANNED, Filter

FEWEST = 200_000  # rows; fewer are compared in full as quickly, and lie in a cache
NARROWEST = 8  # numbers a row; of one alone torch 2.13 returns memory that nobody wrote
GROUP = 64  # rows that share a bound, and of which only the best is looked at first
LITTLE = 16  # of these, where there are few groups
FINE = 16  # groups for each row wanted: the k best rows lie in nearly k of so many
LARGEST = 127  # of a rounded number, on both sides of zero
BLOCK = 128 * GROUP  # rows that are rounded at once, in double precision: a cache holds them
SHARE = 4  # where one group in four may hold one of the best, comparing all rows in full is the quicker way
PRODUCTS = 3 << 20  # products held at once, 12 MB: those of three queries with a million rows


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

    def reaching(
        self, queries: Float32[Tensor, "n *heads width"], k: int, allowed: Filter
    ) -> Iterator[Int[Tensor, " some"] | None]:
        """Rows among which the k best lie, by the dot product in single precision, ties included.

        Args:
            queries: Each of one head or several, of which the best counts.
            k: How many rows are wanted, at most one in 64.
            allowed: What may be found.

        Yields:
            For each query rows in ascending order; None where they may be too many to leave others aside.
        """
        queries = queries.view(len(queries), -1, queries.shape[-1])
        size = max(1, PRODUCTS // (len(self) * queries.shape[1]))
        for first in range(0, len(queries), size):
            part = queries[first : first + size]
            scaled = part.double() * self.spread
            step = scaled.abs().amax(2, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny) / LARGEST
            whole = (scaled / step).round_()
            products: Tensor = torch._int_mm(whole.flatten(0, 1).to(torch.int8), self.codes.T)
            products = products.view(len(part), -1, len(self))
            off = (scaled - step * whole).norm(dim=2, keepdim=True)
            room = scaled.norm(dim=2, keepdim=True) * self.error + off * self.length + self._lost(scaled)
            start = (part.double() @ self.mean)[..., None]
            for line, heads in enumerate(products):
                number = first + line
                for head in heads:
                    allowed.apply(head[None], slice(number, number + 1), slice(0, len(self)))
                yield self._within(heads, start[line], step[line] * self.step, room[line], k)

    def _within(self, products: Tensor, start: Tensor, step: Tensor, room: Tensor, k: int) -> Tensor | None:
        """Rows whose score may reach what k rows are sure to reach: start + step * product, more or less room."""
        fine = GROUP if len(self) >= FINE * GROUP * k else LITTLE
        products = products.view(len(products), -1, GROUP // fine, fine)
        largest = products.amax(3)
        middle = torch.addcmul(start[..., None], step[..., None], largest)
        middle.masked_fill_(largest == BANNED, -math.inf)
        cut = _reached_by(k, (middle - room[..., None]).amax(0).flatten())
        groups = ((middle + room[..., None]).amax(0).flatten() >= cut).nonzero()[:, 0]
        if not math.isfinite(cut) or len(groups) * SHARE > middle[0].numel():
            return None
        coarse = groups // (GROUP // fine)
        least = ((cut - start - room[:, coarse]) / step[:, coarse]).floor_().clamp_(BANNED + 1, -BANNED - 1).int()
        good = products.flatten(1, 2).index_select(1, groups) >= least[..., None]
        places: Tensor = (good[0] if len(good) == 1 else good.any(0)).nonzero()
        return groups[places[:, 0]] * fine + places[:, 1]

    def _lost(self, scaled: Tensor) -> Tensor:
        """What rounding can take from a dot product in single precision, whatever the order of its additions."""
        width, single = scaled.shape[-1], torch.finfo(torch.float32)
        largest: Tensor = scaled.norm(dim=-1, keepdim=True) * self.longest
        return (width + 2) * single.eps / 2 * largest + width * single.tiny


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


def _reached_by(k: int, lower: Tensor) -> float:
    """A number that k of these are not below: nearly the largest, found in single precision, which is quicker."""
    least = lower.float().topk(k, sorted=False).values.amin()
    return float(torch.nextafter(least, torch.tensor(-math.inf)))


def _rounded(block: Tensor) -> tuple[Tensor, Tensor]:
    """The codes of some groups, and what their bounds need: step, largest error, largest length."""
    rows = block.view(-1, GROUP, block.shape[1])
    step = rows.abs().amax((1, 2)).clamp(min=1e-30).div(LARGEST).float()
    whole = (rows / step[:, None, None].double()).round_().clamp_(-LARGEST, LARGEST)
    held = whole * step[:, None, None].double()
    bounds = torch.stack([(rows - held).norm(dim=2).amax(1), held.norm(dim=2).amax(1)], 1)
    upwards = bounds.float() * (1 + 2.0**-20)
    return whole.view(block.shape).to(torch.int8), torch.cat([step[:, None], upwards], 1)
