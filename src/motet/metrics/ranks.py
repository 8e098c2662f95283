"""Ranks: the place each positive takes among all candidates, exactly, without a users x items matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.errors import ConfigError, DataError, did_you_mean

Ties = Literal["pessimistic", "optimistic", "average"]
Scorer = Callable[[Tensor, Tensor], Tensor]
"""Query numbers [q] and candidate numbers [c] to scores [q, c]."""

FEW = 64  # a comparison of fewer queries than this is mostly overhead, so that such are done together
BLOCK = (512, 1024)  # queries x candidates: 2 MB of scores, which stay in cache while they are counted
COMPARE = {"pessimistic": (torch.ge,), "optimistic": (torch.gt,), "average": (torch.ge, torch.gt)}


class Pairs(NamedTuple):
    """Queries and candidates that belong together."""

    queries: Int[Tensor, " pairs"]
    candidates: Int[Tensor, " pairs"]


def dot(queries: Float[Tensor, "n *heads width"], candidates: Float[Tensor, "m width"]) -> Scorer:
    """Score by dot product; the largest over heads where a query has several vectors.

    Args:
        queries: Query vectors, `[n, width]` or `[n, heads, width]`.
        candidates: Candidate vectors.

    Returns:
        A scorer of queries 0..n-1 against candidates 0..m-1. Its next call overwrites the scores of the one before:
        fresh memory costs as much time as the product.
    """
    queries, candidates = queries.detach(), candidates.detach()
    memory = queries.new_empty(0)

    def score(rows: Tensor, columns: Tensor) -> Tensor:
        nonlocal memory
        chosen, others = queries.index_select(0, rows).flatten(0, -2), candidates.index_select(0, columns).T
        shape = len(chosen), len(columns)
        if len(memory) < math.prod(shape):
            memory = queries.new_empty(math.prod(shape))
        scores = torch.mm(chosen, others, out=memory[: math.prod(shape)].view(shape))
        return scores if queries.ndim == 2 else scores.unflatten(0, (len(rows), queries.shape[1])).amax(1)

    return score


def ranks(
    score: Scorer,
    positives: Pairs,
    *,
    candidates: int,
    exclude: Pairs | None = None,
    ties: Ties = "pessimistic",
    block: tuple[int, int] = BLOCK,
) -> Float[Tensor, " positives"]:
    r"""The rank of each positive among all candidates of its query.

    $$ rank = 1 + better + ties $$

    `better` counts the others with a higher score. `ties`, the others with exactly the same score, all count
    (pessimistic), do not count (optimistic), or count one half each (average).

    A query is scored once, however many positives it has, in blocks that stay in cache. A positive is compared with its
    own score as it stands in its block, never with a dot product of its own: two roundings of one number would let it
    lose against itself.

    Args:
        score: Scores a block; `dot` makes one from vectors.
        positives: What is ranked; a query may have many, each of which competes with the others.
        candidates: How many candidates there are; their numbers are 0 to `candidates - 1`.
        exclude: Candidates to remove from the ranking of a query. A positive that is excluded itself is ranked all the
            same, among what is left, and is absent where the query's other positives are ranked.
        ties: The rule above. Pessimistic, so that a constant model comes last and not first.
        block: How many queries and candidates are scored at once.

    Returns:
        Ranks from 1, float64; halves come from `average`.

    Raises:
        ConfigError: If `ties` names no rule.
        DataError: If a positive is no candidate, or a score is NaN; the message names the pair.

    Example:
        >>> query, items = torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0], [2.0, 0.0], [2.0, 5.0]])
        >>> ranks(dot(query, items), Pairs(torch.tensor([0, 0]), torch.tensor([0, 1])), candidates=3)
        tensor([1., 3.], dtype=torch.float64)
    """
    if ties not in COMPARE:
        raise ConfigError(f"ties={ties!r} is not one of {', '.join(COMPARE)}{did_you_mean(ties, COMPARE)}")
    wrong = (positives.candidates < 0) | (positives.candidates >= candidates)
    if wrong.any():
        raise DataError(f"positive {int(positives.candidates[wrong][0])} is no candidate: 0 to {candidates - 1} are")
    result = torch.empty(len(positives.queries), dtype=torch.float64, device=positives.queries.device)
    passed = torch.empty(block[0] * min(block[1], candidates), device=positives.queries.device)
    for rows, part in _blocks(positives, exclude, candidates, block, passed):
        targets = part.guess(score, block[1])
        counted = part.sweep(score, targets, ties)
        if not torch.equal(counted.own, targets):  # this device rounds by the shape of a product: take the block's word
            counted = part.sweep(score, counted.own, ties)
        result[rows] = counted.ranks
    return result


class _Cells:
    """Cells of a block of queries, in the order of their candidates, so that those of a range are one slice."""

    def __init__(self, rows: Int[Tensor, " n"], candidates: Int[Tensor, " n"], edges: list[int]) -> None:
        self.order = candidates.argsort(stable=True)
        self.rows = rows[self.order]
        ends = torch.searchsorted(candidates[self.order], torch.tensor(edges, device=rows.device)).tolist()
        self.slices = [slice(*pair) for pair in pairwise(ends)]
        self.columns = candidates[self.order] % edges[1]  # all ranges but the last are as wide as the first

    def within(self, number: int) -> tuple[Tensor, Tensor]:
        """Row and column of the cells in one range of candidates."""
        here = self.slices[number]
        return self.rows[here], self.columns[here]

    def join(self, parts: list[Tensor]) -> Tensor:
        """What was found in each range, in the order in which the cells were given."""
        found = torch.cat(parts)
        return torch.empty_like(found).index_copy_(0, self.order, found)


class _Counted(NamedTuple):
    ranks: Float[Tensor, " n"]
    own: Float[Tensor, " n"]  # each positive's score, as its block holds it


@dataclass
class _Part:
    """Some queries and all their positives: the first of every query, then the second of those that have one ...

    Queries with more positives come first, so that the queries with a j-th positive are the first rows of a block of
    scores, as they lie there.
    """

    queries: Int[Tensor, " q"]
    rows: Int[Tensor, " n"]
    candidates: Int[Tensor, " n"]
    removed: _Cells | None
    edges: list[int]
    passed: Float[Tensor, " cells"]  # used again and again: fresh memory of this size is slower than counting
    levels: list[int]  # how many queries have a j-th positive, as long as they are not few

    def guess(self, score: Scorer, width: int) -> Float[Tensor, " n"]:
        """The positives' scores, before the blocks they stand in are scored."""
        distinct, column = self.candidates.unique(return_inverse=True)
        found: Tensor | None = None
        for start in range(0, len(distinct), width):
            scores = score(self.queries, distinct[start : start + width])
            found = scores.new_empty(len(column)) if found is None else found
            here = ((column >= start) & (column < start + width)).nonzero()[:, 0]
            found[here] = scores[self.rows[here], column[here] - start]
        assert found is not None
        return found

    def sweep(self, score: Scorer, targets: Float[Tensor, " n"], ties: Ties) -> _Counted:
        """Count, block by block, what reaches the targets."""
        cells = _Cells(self.rows, self.candidates, self.edges)
        columns = torch.arange(self.edges[-1], device=self.queries.device)
        own, present = [], []
        counts = torch.zeros_like(targets, dtype=torch.float64)
        total = targets.new_zeros(())
        for number, (start, stop) in enumerate(pairwise(self.edges)):
            scores = score(self.queries, columns[start:stop])
            total += scores.sum()
            own.append(scores[cells.within(number)])
            if self.removed is None:
                self._count(scores, targets, ties, counts)
                continue
            with _without(scores, self.removed.within(number)) as left:
                present.append(~left[cells.within(number)].isnan())
                self._count(left, targets, ties, counts)
        if total.isnan():
            self._refuse_nan(score)
        if ties != "optimistic":  # a positive is no tie of itself
            counts -= cells.join(present).double() if present else 1
        return _Counted(1 + counts / len(COMPARE[ties]), cells.join(own))

    def _count(self, scores: Tensor, targets: Tensor, ties: Ties, counts: Tensor) -> None:
        start = 0
        for size in self.levels:
            self._compare(scores[:size], slice(start, start + size), targets, ties, counts)
            start += size
        many = len(self.passed) // scores.shape[1]
        for here in (slice(at, at + many) for at in range(start, len(targets), many)):
            lines = scores.index_select(0, self.rows[here])  # copies rows whole: 3 x indexing
            self._compare(lines, here, targets, ties, counts)

    def _compare(self, lines: Tensor, here: slice, targets: Tensor, ties: Ties, counts: Tensor) -> None:
        """Zeros and ones as floats are added up three times faster than booleans."""
        passed = self.passed[: lines.numel()].view(lines.shape)
        for compare in COMPARE[ties]:
            counts[here].add_(compare(lines, targets[here, None], out=passed).sum(1))

    def _refuse_nan(self, score: Scorer) -> None:
        for start, stop in pairwise(self.edges):
            found = score(self.queries, torch.arange(start, stop, device=self.queries.device)).isnan().nonzero()
            if len(found):
                row, column = found[0].tolist()
                raise DataError(
                    f"the score of query {int(self.queries[row])} and candidate {start + column} is NaN, which has no "
                    "rank; did the training diverge?"
                )


@contextmanager
def _without(scores: Tensor, cells: tuple[Tensor, Tensor]) -> Iterator[Tensor]:
    """Scores with NaN, which is neither above nor equal to anything, in some cells; in place, and undone afterwards."""
    scores = scores.detach().contiguous()
    kept = scores[cells]
    scores[cells] = torch.nan
    yield scores
    scores[cells] = kept


def _blocks(
    positives: Pairs, exclude: Pairs | None, candidates: int, block: tuple[int, int], passed: Tensor
) -> Iterator[tuple[Tensor, _Part]]:
    """Blocks of queries, each with the positions of its positives."""
    queries, row, counts = positives.queries.unique(return_inverse=True, return_counts=True)
    most_first = counts.argsort(descending=True, stable=True)
    queries, row = queries[most_first], most_first.argsort()[row]
    edges = [*range(0, candidates, block[1]), candidates]
    order = row.argsort(stable=True)
    row = row[order]
    removed = None if exclude is None else _of_queries(exclude, queries)
    for start in range(0, len(queries), block[0]):
        stop = min(start + block[0], len(queries))
        here = order[_between(row, start, stop)]
        cells = None
        if removed is not None:
            inside = _between(removed.queries, start, stop)
            cells = _Cells(removed.queries[inside] - start, removed.candidates[inside], edges)
        rows = row[_between(row, start, stop)] - start
        sizes = torch.bincount(rows)
        number = torch.arange(len(rows), device=rows.device) - (sizes.cumsum(0) - sizes)[rows]
        by_number = number.argsort(stable=True)
        levels = [size for size in torch.bincount(number).tolist() if size >= FEW]
        rows, here = rows[by_number], here[by_number]
        yield here, _Part(queries[start:stop], rows, positives.candidates[here], cells, edges, passed, levels)


def _of_queries(pairs: Pairs, queries: Int[Tensor, " q"]) -> Pairs:
    """Those pairs whose query is asked, sorted, with the query's position for its number."""
    numbers = torch.cat([queries, pairs.queries])
    places = queries.new_full((int(numbers.max()) + 1 if len(numbers) else 0,), -1)
    places[queries] = torch.arange(len(queries), device=queries.device)
    position = places[pairs.queries]
    asked = position >= 0
    position, chosen = position[asked], pairs.candidates[asked]
    if (position.diff() < 0).any():
        order = position.argsort(stable=True)
        position, chosen = position[order], chosen[order]
    return Pairs(position, chosen)


def _between(rows: Int[Tensor, " n"], start: int, stop: int) -> slice:
    return slice(*torch.searchsorted(rows, torch.tensor([start, stop], device=rows.device)).tolist())
