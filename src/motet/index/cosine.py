"""Cosine: finds the rows whose vectors point the same way, without a copy of any."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from motet.index.base import Hits
from motet.index.best import best
from motet.index.exact import QUERIES

SCORES = 1 << 18  # held at once, 1 MB
SHORTEST = 1e-12  # no length is below this, so that a vector of zeros is like none


class Cosine:
    r"""Rows by the cosine of their vectors, which stay where they are: it holds one length a row of its own.

    $$ \cos(q, c) = \frac{q \cdot c}{\|q\| \, \|c\|} $$

    Args:
        vectors: One a row.

    Example:
        >>> Cosine(torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 1.0]])).others(torch.tensor([0]), 1).rows
        tensor([[2]])
    """

    def __init__(self, vectors: Float[Tensor, "rows width"]) -> None:
        self.vectors = vectors
        self.lengths = torch.linalg.vector_norm(vectors, dim=1).clamp_(min=SHORTEST)

    @torch.no_grad()
    def others(self, rows: Int[Tensor, " n"], k: int) -> Hits:
        """The k other rows with the largest cosines.

        Args:
            rows: Of which others are looked for.
            k: How many, at most as many as there are.

        Returns:
            A line for each row, best first; equal cosines are ordered by row, the lowest first.
        """
        blocks = [self._others(part, k) for part in rows.split(QUERIES)]
        return Hits(torch.cat([hits.rows for hits in blocks]), torch.cat([hits.scores for hits in blocks]))

    def _others(self, rows: Tensor, k: int) -> Hits:
        queries = F.normalize(self.vectors[rows])
        found, scores = rows.new_zeros(len(rows), 0), queries.new_zeros(len(rows), 0)
        size = max(1, SCORES // max(1, len(rows)))
        for start in range(0, len(self.vectors), size):
            block = (queries @ self.vectors[start : start + size].T).div_(self.lengths[start : start + size])
            itself = ((rows >= start) & (rows < start + size)).nonzero()[:, 0]
            block[itself, rows[itself] - start] = -torch.inf
            top, columns = best(block, k)
            found, scores = torch.cat([found, columns + start], 1), torch.cat([scores, top], 1)
            scores, places = best(scores, k)
            found = found.gather(1, places)
        return Hits(found, scores)
