"""ExactIndex: compares every query with every vector, in blocks."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.errors import ConfigError, DataError
from motet.index.base import Hits, Index, Rows
from motet.index.filter import Filter

QUERIES = 512  # a block of queries: enough for a fast matrix product
SCORES = 1 << 20  # scores held at once, 4 MB: a cache holds them, and one query sees a million rows in one block


class ExactIndex(Index):
    """Finds what a full sort would find, without ever holding all scores.

    Args:
        vectors: One vector a row; where they lie is where the search runs.

    Raises:
        DataError: If a vector is not finite; the message names the first such row.

    Example:
        >>> index = ExactIndex(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
        >>> index.search(torch.tensor([[2.0, 1.0]]), 2, exclude=torch.tensor([2])).rows
        tensor([[0, 1]])
    """

    def __init__(self, vectors: Float[Tensor, "rows width"]) -> None:
        self.vectors = _finite("index vector", vectors.detach())

    def __len__(self) -> int:
        return len(self.vectors)

    @torch.no_grad()
    def search(
        self, queries: Float[Tensor, "n *heads width"], k: int, *, exclude: Rows | None = None, only: Rows | None = None
    ) -> Hits:
        """The k best allowed rows for each query; see `Index.search`."""
        if k < 1:
            raise ConfigError(f"k is {k}; ask for at least 1 row")
        width = self.vectors.shape[1]
        if queries.shape[-1] != width:
            raise ConfigError(f"queries are {queries.shape[-1]} wide and the vectors of the index {width}")
        queries = _finite("query", queries.detach().to(self.vectors))
        allowed = Filter(exclude=exclude, only=only, queries=len(queries), rows=len(self), device=self.vectors.device)
        starts = range(0, len(queries), QUERIES)
        blocks = [self._block(queries[start : start + QUERIES], start, k, allowed) for start in starts]
        return _trimmed(blocks, self.vectors)

    def _block(self, queries: Tensor, first: int, k: int, allowed: Filter) -> Hits:
        """Walk over the vectors and keep the best so far."""
        lines = slice(first, first + len(queries))
        scores = queries.new_zeros(len(queries), 0)
        rows = torch.zeros_like(scores, dtype=torch.long)
        size = max(1, SCORES // queries[..., 0].numel())
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            block = _dot(queries, self.vectors[part])
            allowed.apply(block, lines, part)
            here = torch.arange(part.start, part.stop, device=block.device).expand_as(block)
            scores, columns = best(torch.cat([scores, block], 1), k)
            rows = torch.cat([rows, here], 1).gather(1, columns)
        return Hits(rows, scores)


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


def _dot(queries: Tensor, vectors: Tensor) -> Tensor:
    scores = queries @ vectors.T
    return scores if scores.ndim == 2 else scores.amax(1)


def _trimmed(blocks: list[Hits], like: Tensor) -> Hits:
    """Join the blocks and drop the columns that no line fills."""
    if not blocks:
        return Hits(torch.zeros(0, 0, dtype=torch.long, device=like.device), like.new_zeros(0, 0))
    scores = torch.cat([block.scores for block in blocks])
    found = scores > -math.inf
    width = int(found.sum(1).max()) if scores.shape[1] else 0
    rows = torch.cat([block.rows for block in blocks]).masked_fill(~found, -1)
    return Hits(rows[:, :width], scores[:, :width])


def _finite(kind: str, vectors: Tensor) -> Tensor:
    bad = (~vectors.isfinite()).flatten(1).any(1).nonzero()
    if len(bad):
        raise DataError(f"{kind} {int(bad[0])} is not finite; did the training diverge?")
    return vectors
