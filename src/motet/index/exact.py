"""ExactIndex: finds the rows that comparing every query with every vector would find."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from motet.errors import ConfigError, DataError
from motet.index.base import Hits, Index, Rows
from motet.index.best import WIDE, above, best, lined, trimmed
from motet.index.compared import FRACTION, among, compared, listed, of_pairs
from motet.index.filter import Filter, inside
from motet.index.rounded import Reached, Rounded, suits

QUERIES = 1024  # a block of queries: enough for a fast matrix product, and for little else to be done for each
ALONE = 8  # where rounding does not help one query in eight, it did not help
SCORES = 1 << 21  # scores held at once, 8 MB: a cache holds them, and one query sees two million rows in one block
SCORES_ELSEWHERE = 1 << 27  # 512 MB: a GPU prefers a few large kernels


class ExactIndex(Index):
    """Finds what a full sort would find, without ever holding all scores.

    Of 50,000 rows and more it keeps a copy that is rounded to eight bits a number. A query is compared with that first,
    which reads a quarter of the memory; a bound of what the rounding changed leaves only some rows in a thousand to
    be compared in full. The answer is that of comparing all of them, bit for bit, ties included.

    Args:
        vectors: One vector a row; where they lie is where the search runs.
        rounded: Whether to keep the copy, a quarter of the memory more: where the vectors are in single precision on a
            processor that multiplies such numbers quickly (AVX-512 VNNI).

    Raises:
        DataError: If a vector is not finite; the message names the first such row.

    Attributes:
        vectors: All rows, removed ones included.
        removed: The rows that `remove` named, in ascending order.
        rounded: The copy; None where there is none.

    Example:
        >>> index = ExactIndex(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        >>> index.search(torch.tensor([[2.0, 1.0]]), 2, exclude=torch.tensor([2])).rows
        tensor([[0, 1]])
    """

    def __init__(self, vectors: Float[Tensor, "rows width"], *, rounded: bool = True) -> None:
        self.vectors = _finite("index vector", vectors.detach())
        self.removed: Int[Tensor, " removed"] = torch.zeros(0, dtype=torch.long, device=vectors.device)
        self.rounded = Rounded.of(self.vectors) if rounded and suits(vectors) else None

    @classmethod
    def of(cls, vectors: Float[Tensor, "rows width"], rounded: Rounded | None) -> ExactIndex:
        """An index of vectors whose rounded copy is known.

        Args:
            vectors: One a row.
            rounded: Of them; None to keep none.

        Returns:
            The index.
        """
        index = cls(vectors, rounded=False)
        index.rounded = rounded
        return index

    def __len__(self) -> int:
        return len(self.vectors)

    @torch.no_grad()
    def search(
        self, queries: Float[Tensor, "n *heads width"], k: int, *, exclude: Rows | None = None, only: Rows | None = None
    ) -> Hits:
        """The k best allowed rows for each query; see `Index.search`."""
        queries = self.asked(queries, k)
        allowed = self.filter(len(queries), exclude, only)
        if self.rounded is not None and k * WIDE <= len(self.rounded):
            few = None if only is None else listed(only, len(queries))
            if few is not None and few.shape[1] * FRACTION <= len(self):
                return among(self.vectors, queries, few, k, allowed)
            kept = self.rounded.reaching(queries, k, allowed)
            return trimmed([self._compared(queries, reached, k, allowed) for reached in kept], self.vectors)
        starts = range(0, len(queries), QUERIES)
        blocks = [self._block(queries[start : start + QUERIES], start, k, allowed) for start in starts]
        return trimmed(blocks, self.vectors)

    def add(self, vectors: Float[Tensor, "more width"]) -> None:
        """Hold more rows, behind those there are; see `Index.add`."""
        if vectors.shape[1] != self.vectors.shape[1]:
            raise ConfigError(f"new vectors are {vectors.shape[1]} wide and those of the index {self.vectors.shape[1]}")
        self.vectors = torch.cat([self.vectors, _finite("new vector", vectors.detach().to(self.vectors))])
        if self.rounded is not None:
            self.rounded = self.rounded.extended(self.vectors)

    def remove(self, rows: Int[Tensor, " n"]) -> None:
        """Never find these rows again; see `Index.remove`."""
        rows = inside("remove", rows, len(self)).to(self.removed.device)
        self.removed = torch.cat([self.removed, rows]).unique()

    def asked(self, queries: Float[Tensor, "n *heads width"], k: int) -> Float[Tensor, "n *heads width"]:
        """Check a question, and put it where the vectors lie.

        Args:
            queries: As `search` takes them.
            k: How many rows to find.

        Returns:
            The queries.

        Raises:
            ConfigError: If k is below 1 or the width is not that of the index.
            DataError: If a query is not finite.
        """
        if k < 1:
            raise ConfigError(f"k is {k}; ask for at least 1 row")
        width = self.vectors.shape[1]
        if queries.shape[-1] != width:
            raise ConfigError(f"queries are {queries.shape[-1]} wide and the vectors of the index {width}")
        return _finite("query", queries.detach().to(self.vectors))

    def filter(self, queries: int, exclude: Rows | None, only: Rows | None) -> Filter:
        """What queries may find, what was removed left out.

        Args:
            queries: How many ask.
            exclude: As `search` takes them.
            only: As `search` takes them.

        Returns:
            The filter.
        """
        device = self.vectors.device
        return Filter(exclude=exclude, only=only, removed=self.removed, queries=queries, rows=len(self), device=device)

    def _compared(self, queries: Tensor, reached: Reached, k: int, allowed: Filter) -> Hits:
        """Compare in full what is left of the rounded rows, and those that are not rounded."""
        assert self.rounded is not None
        lines, line, row, few = reached
        asked = queries[lines]
        rows = lined(line, row, len(asked), -1)
        scores = lined(line, of_pairs(self.vectors, asked, row, line), len(asked), -math.inf)
        if len(self.rounded) < len(self):
            rest = slice(len(self.rounded), len(self))
            others = compared(self.vectors[rest], asked)
            allowed.apply(others, lines, rest)
            scores = torch.cat([scores, others], 1)
            rows = torch.cat([rows, torch.arange(rest.start, rest.stop).expand(len(rows), -1)], 1)
        top, columns = best(scores, k)
        hits = Hits(rows.gather(1, columns), top)
        return hits if few.all() else self._completed(hits, ~few, queries, lines, k, allowed)

    def _completed(self, hits: Hits, many: Tensor, queries: Tensor, lines: slice, k: int, allowed: Filter) -> Hits:
        """Answer again where rounding leaves too many rows: all queries at once where they are not a few."""
        short = (0, k - hits.rows.shape[1])
        rows, scores = F.pad(hits.rows, short, value=-1), F.pad(hits.scores, short, value=-math.inf)
        each = many.nonzero()[:, 0].tolist()
        parts = [(0, len(many))] if len(each) * ALONE > len(many) else [(line, line + 1) for line in each]
        for start, stop in parts:
            found = self._in_full(queries, slice(lines.start + start, lines.start + stop), k, allowed)
            here = many[start:stop]
            rows[start:stop][here], scores[start:stop][here] = found.rows[here], found.scores[here]
        return Hits(rows, scores)

    def _in_full(self, queries: Tensor, lines: slice, k: int, allowed: Filter) -> Hits:
        """Compare with all rows: by a matrix product, which rounds in another way, and then with the best twice k."""
        assert self.rounded is not None
        asked = queries[lines]
        near = self._block(asked, lines.start, 2 * k, allowed)
        rows, order = near.rows.sort(1)
        line = torch.arange(len(asked)).repeat_interleave(rows.shape[1])
        scores = of_pairs(self.vectors, asked, rows.flatten(), line).view(rows.shape)
        scores.masked_fill_(near.scores.gather(1, order) == -math.inf, -math.inf)
        top, columns = best(scores, k)
        hits = Hits(rows.gather(1, columns), top)
        # Both products are within `lost` of the true one, and so are the k-th best of both.
        room, last = 4 * self.rounded.lost(asked), near.scores[:, -1]
        for line in ((last > -math.inf) & (last >= near.scores[:, k - 1] - room)).nonzero()[:, 0].tolist():
            one = slice(line, line + 1)
            every = compared(self.vectors, asked[one])
            allowed.apply(every, slice(lines.start + line, lines.start + line + 1), slice(0, len(self)))
            hits.scores[one], hits.rows[one] = best(every, k)
        return hits

    def _block(self, queries: Tensor, first: int, k: int, allowed: Filter) -> Hits:
        """Walk over the vectors and keep the best so far."""
        lines = slice(first, first + len(queries))
        hits = Hits(
            torch.zeros(len(queries), 0, dtype=torch.long, device=queries.device), queries.new_zeros(len(queries), 0)
        )
        scores = SCORES if queries.device.type == "cpu" else SCORES_ELSEWHERE
        size = max(1, scores // queries[..., 0].numel())
        memory = queries.new_empty(queries[..., 0].numel() * min(size, len(self)))
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            block = _dot(queries, self.vectors[part], memory)
            allowed.apply(block, lines, part)
            hits = _merged(hits, block, start, k)
        return hits


def _merged(hits: Hits, block: Tensor, start: int, k: int) -> Hits:
    """The best of what was found and of a block of rows behind it, where an equal score comes too late."""
    if hits.scores.shape[1] == k:
        scores, columns = above(block, hits.scores[:, -1:])
    else:
        scores, columns = best(block, k)
    rows, scores = torch.cat([hits.rows, columns + start], 1), torch.cat([hits.scores, scores], 1)
    scores, places = best(scores, k)
    return Hits(rows.gather(1, places), scores)


def _dot(queries: Tensor, vectors: Tensor, memory: Tensor) -> Tensor:
    """Dot products, in memory that is used again and again: fresh memory costs as much time as the product."""
    flat = queries.flatten(0, -2)
    out = memory[: len(flat) * len(vectors)].view(len(flat), len(vectors))
    scores = torch.mm(flat, vectors.T, out=out)
    return scores if queries.ndim == 2 else scores.unflatten(0, queries.shape[:2]).amax(1)


def _finite(kind: str, vectors: Tensor) -> Tensor:
    if not vectors.numel() or all(map(math.isfinite, vectors.aminmax())):  # which needs no memory, and keeps NaN
        return vectors
    bad = (~vectors.isfinite()).flatten(1).any(1).nonzero()
    raise DataError(f"{kind} {int(bad[0])} is not finite; did the training diverge?")
