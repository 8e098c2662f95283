"""Scorers: functions that score a block of queries against a block of candidates, and pairs of the two."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from motet.errors import DataError
from motet.layers.precision import factors_lost

LENGTHS = 1 << 16  # vectors whose lengths are computed at once, in double precision

Scorer = Callable[[Tensor, Tensor], Tensor]
"""Maps query numbers [q] and candidate numbers [c] to scores [q, c]."""


class NaNScoreError(DataError):
    """A score is NaN, which has no rank.

    Args:
        query: Number of the query.
        candidate: Number of the candidate.

    Attributes:
        rule: What the message says after naming the pair.
    """

    rule = "which has no rank; did the training diverge?"

    def __init__(self, query: int, candidate: int) -> None:
        super().__init__(f"the score of query {query} and candidate {candidate} is NaN, {self.rule}")
        self.query = query
        self.candidate = candidate


class Pairs(NamedTuple):
    """Pairs of a query and a candidate."""

    queries: Int[Tensor, " pairs"]
    candidates: Int[Tensor, " pairs"]


class Dot:
    """Scores by dot product; by the maximum over heads if a query has several vectors.

    Args:
        queries: Query vectors, `[n, width]` or `[n, heads, width]`.
        candidates: Candidate vectors.
    """

    def __init__(self, queries: Float[Tensor, "n *heads width"], candidates: Float[Tensor, "m width"]) -> None:
        self.queries, self.candidates = queries.detach(), candidates.detach()
        self.memory = self.queries.new_empty(0)

    def __call__(self, rows: Int[Tensor, " q"], columns: Int[Tensor, " c"]) -> Float[Tensor, "q c"]:
        """Score a block.

        Args:
            rows: Query numbers.
            columns: Candidate numbers.

        Returns:
            Scores, which the next call overwrites: allocating memory takes as long as the product.
        """
        chosen, others = self.queries.index_select(0, rows).flatten(0, -2), self.candidates.index_select(0, columns).T
        shape = len(chosen), len(columns)
        if len(self.memory) < math.prod(shape):
            self.memory = self.queries.new_empty(math.prod(shape))
        scores = torch.mm(chosen, others, out=self.memory[: math.prod(shape)].view(shape))
        return scores if self.queries.ndim == 2 else scores.unflatten(0, (len(rows), self.queries.shape[1])).amax(1)

    def room(self, rows: Int[Tensor, " q"]) -> Float64[Tensor, " q"]:
        r"""By how much a score must exceed another to exceed it in every block.

        The shape of a block decides the order of additions. In any order, rounding takes a dot product of width n from
        its true value by at most

        $$ (n + 2) \frac{\epsilon}{2} \|q\| \max_x \|x\| $$

        with the machine epsilon, and more where torch rounds the factors (`factors_lost`). Two blocks differ by twice
        that, and the difference of two scores by four times.

        Args:
            rows: Query numbers.

        Returns:
            A difference of scores for each query; infinity where scores may not be finite.

        Source:
            Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1.
        """
        width, numbers = self.candidates.shape[1], torch.finfo(self.candidates.dtype)
        largest = self._lengths[rows] * self._longest
        share = (width + 2) * numbers.eps / 2 + factors_lost(self.candidates)
        lost = share * largest + width * numbers.tiny
        return (4 * lost).where(largest < numbers.max / 2, math.inf)

    @cached_property
    def _lengths(self) -> Float64[Tensor, " n"]:
        """The length of each query, or of its longest head."""
        found = _norms(self.queries)
        return found if found.ndim == 1 else found.amax(1)

    @cached_property
    def _longest(self) -> Float64[Tensor, ""]:
        """The largest length of a candidate."""
        return _norms(self.candidates).amax()


class Cells:
    """Cells of a block of queries, ordered by candidate, so that the cells of a range of candidates are a slice."""

    def __init__(self, pairs: Pairs, edges: list[int]) -> None:
        self.order = pairs.candidates.argsort(stable=True)
        self.rows, ordered = pairs.queries[self.order], pairs.candidates[self.order]
        ends = torch.searchsorted(ordered, torch.tensor(edges, device=ordered.device)).tolist()
        self.slices = [slice(*pair) for pair in pairwise(ends)]
        self.columns = ordered % edges[1]  # all ranges but the last are as wide as the first

    def within(self, number: int) -> tuple[Tensor, Tensor]:
        """Row and column of the cells in one range of candidates."""
        here = self.slices[number]
        return self.rows[here], self.columns[here]

    def join(self, parts: list[Tensor]) -> Tensor:
        """Concatenate the values found in each range, in the original order of the cells."""
        found = torch.cat(parts)
        return torch.empty_like(found).index_copy_(0, self.order, found)


def _norms(vectors: Float[Tensor, "*shape width"]) -> Float64[Tensor, "*shape"]:
    return torch.cat([part.double().norm(dim=-1) for part in vectors.split(LENGTHS)])


def of_queries(pairs: Pairs, queries: Int[Tensor, " q"], candidates: int) -> Pairs:
    """The distinct pairs of the given queries, sorted, with query positions instead of query numbers."""
    numbers = torch.cat([queries, pairs.queries])
    places = queries.new_full((int(numbers.max()) + 1 if len(numbers) else 0,), -1)
    places[queries] = torch.arange(len(queries), device=queries.device)
    position = places[pairs.queries]
    cells = position * candidates + pairs.candidates
    cells = cells[(position >= 0) & (pairs.candidates >= 0) & (pairs.candidates < candidates)]
    if (cells.diff() <= 0).any():
        cells = cells.unique()
    return Pairs(cells // candidates, cells % candidates)


def between(rows: Int[Tensor, " n"], start: int, stop: int) -> slice:
    """Where ascending rows are at least `start` and below `stop`."""
    return slice(*torch.searchsorted(rows, torch.tensor([start, stop], device=rows.device)).tolist())
