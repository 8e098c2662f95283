"""ExactIndex: compares every query with every vector, in blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from motet.errors import ConfigError, DataError
from motet.index.base import Hits, Index, Rows
from motet.index.filter import Filter, inside

QUERIES = 512  # a block of queries: enough for a fast matrix product
SCORES = 1 << 20  # scores held at once, 4 MB: a cache holds them, and one query sees a million rows in one block
GROUP = 64  # columns of which only the largest is looked at first
WIDE = 4 * GROUP  # columns for each row asked for, from which on looking at groups first is the quicker way


class ExactIndex(Index):
    """Finds what a full sort would find, without ever holding all scores.

    Args:
        vectors: One vector a row; where they lie is where the search runs.

    Raises:
        DataError: If a vector is not finite; the message names the first such row.

    Attributes:
        vectors: All rows, removed ones included.
        removed: The rows that `remove` named, in ascending order.

    Example:
        >>> index = ExactIndex(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        >>> index.search(torch.tensor([[2.0, 1.0]]), 2, exclude=torch.tensor([2])).rows
        tensor([[0, 1]])
    """

    def __init__(self, vectors: Float[Tensor, "rows width"]) -> None:
        self.vectors = _finite("index vector", vectors.detach())
        self.removed: Int[Tensor, " removed"] = torch.zeros(0, dtype=torch.long, device=vectors.device)

    def __len__(self) -> int:
        return len(self.vectors)

    @torch.no_grad()
    def search(
        self, queries: Float[Tensor, "n *heads width"], k: int, *, exclude: Rows | None = None, only: Rows | None = None
    ) -> Hits:
        """The k best allowed rows for each query; see `Index.search`."""
        queries = self.asked(queries, k)
        allowed = self.filter(len(queries), exclude, only)
        starts = range(0, len(queries), QUERIES)
        blocks = [self._block(queries[start : start + QUERIES], start, k, allowed) for start in starts]
        return trimmed(blocks, self.vectors)

    def add(self, vectors: Float[Tensor, "more width"]) -> None:
        """Hold more rows, behind those there are; see `Index.add`."""
        if vectors.shape[1] != self.vectors.shape[1]:
            raise ConfigError(f"new vectors are {vectors.shape[1]} wide and those of the index {self.vectors.shape[1]}")
        self.vectors = torch.cat([self.vectors, _finite("new vector", vectors.detach().to(self.vectors))])

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

    def _block(self, queries: Tensor, first: int, k: int, allowed: Filter) -> Hits:
        """Walk over the vectors and keep the best so far."""
        lines = slice(first, first + len(queries))
        hits = Hits(
            torch.zeros(len(queries), 0, dtype=torch.long, device=queries.device), queries.new_zeros(len(queries), 0)
        )
        size = max(1, SCORES // queries[..., 0].numel())
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            block = _dot(queries, self.vectors[part])
            allowed.apply(block, lines, part)
            scores, columns = best(block, k)
            hits = _merged(hits, Hits(columns + start, scores), k)
        return hits


def best(scores: Float[Tensor, "n m"], k: int) -> tuple[Float[Tensor, "n top"], Int[Tensor, "n top"]]:
    """The k largest of each line, in descending order; among equals the lowest column comes first.

    `torch.topk` leaves open which of several equal scores it takes, so a tie at the cut is settled here.

    Args:
        scores: Minus infinity marks what must not be chosen.
        k: How many; fewer are returned where the lines are shorter.

    Returns:
        The scores and their columns.

    Example:
        >>> best(torch.tensor([[1.0, 3.0, 1.0, 1.0]]), 2)[1]
        tensor([[1, 0]])
    """
    if scores.shape[1] > WIDE * k:
        lines = [_best_of_wide(line, k) for line in scores]
        if lines:
            return torch.cat([line[0] for line in lines]), torch.cat([line[1] for line in lines])
    return _best(scores, k)


def _best_of_wide(line: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Groups of columns first: the k best lie in groups whose largest is not below the k-th largest of these."""
    whole = len(line) // GROUP * GROUP
    largest = line[:whole].view(-1, GROUP).amax(1)
    groups = (largest >= largest.topk(k).values[-1]).nonzero()
    within = torch.arange(GROUP, device=line.device)
    rest = torch.arange(whole, len(line), device=line.device)
    columns = torch.cat([(groups * GROUP + within).flatten(), rest])
    scores, places = _best(line[columns][None], k)
    return scores, columns[places]


def _best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    k = min(k, scores.shape[1])
    values, columns = scores.topk(min(k + 1, scores.shape[1]))
    if values.shape[1] > k:
        tied = (values[:, k - 1] == values[:, k]) & (values[:, k] > -math.inf)
        if tied.any():
            columns[tied, :k] = _lowest(scores[tied], values[tied, k - 1 : k], k)
    columns = columns[:, :k].sort(1).values
    ordered = scores.gather(1, columns).sort(stable=True, dim=1, descending=True)
    return ordered.values, columns.gather(1, ordered.indices)


def _lowest(scores: Tensor, cut: Tensor, k: int) -> Tensor:
    """The columns above the cut, and as many of the lowest columns at the cut as make k."""
    above, at = scores > cut, scores == cut
    taken = above | (at & (at.cumsum(1) <= k - above.sum(1, keepdim=True)))
    return taken.nonzero()[:, 1].view(-1, k)


def _merged(first: Hits, then: Hits, k: int) -> Hits:
    """The best of two, where every row of the first is below every row of the second."""
    if not first.rows.shape[1]:
        return then
    scores, columns = best(torch.cat([first.scores, then.scores], 1), k)
    return Hits(torch.cat([first.rows, then.rows], 1).gather(1, columns), scores)


def _dot(queries: Tensor, vectors: Tensor) -> Tensor:
    scores = queries @ vectors.T
    return scores if scores.ndim == 2 else scores.amax(1)


def trimmed(blocks: Sequence[Hits], like: Float[Tensor, "rows width"]) -> Hits:
    """Join blocks of queries, and drop the columns that no line fills.

    Args:
        blocks: Answers, of any widths; minus infinity marks what was not found.
        like: Says where an answer to no query lies.

    Returns:
        One answer.
    """
    if not blocks:
        return Hits(torch.zeros(0, 0, dtype=torch.long, device=like.device), like.new_zeros(0, 0))
    widest = max(block.scores.shape[1] for block in blocks)
    short = [widest - block.scores.shape[1] for block in blocks]
    scores = torch.cat([F.pad(block.scores, (0, n), value=-math.inf) for block, n in zip(blocks, short, strict=True)])
    rows = torch.cat([F.pad(block.rows, (0, n), value=-1) for block, n in zip(blocks, short, strict=True)])
    found = scores > -math.inf
    width = int(found.sum(1).max()) if widest and len(scores) else 0
    return Hits(rows.masked_fill(~found, -1)[:, :width], scores[:, :width])


def _finite(kind: str, vectors: Tensor) -> Tensor:
    if vectors.isfinite().all():
        return vectors
    bad = (~vectors.isfinite()).flatten(1).any(1).nonzero()
    raise DataError(f"{kind} {int(bad[0])} is not finite; did the training diverge?")
