"""Ranks: the exact rank of each positive among all candidates, without a users x items matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Real
from torch import Tensor

from motet.errors import ConfigError, DataError, did_you_mean
from motet.metrics.contenders import contenders
from motet.metrics.scorers import Cells, NaNScoreError, Pairs, Scorer, between, of_queries

Ties = Literal["pessimistic", "optimistic", "average"]

FEW = 64  # comparisons of fewer queries than this are mostly overhead, so they are batched
BLOCK = (1024, 1024)  # queries x candidates: 4 MB of scores, which stay in cache while they are counted
BLOCK_ELSEWHERE = (4096, 8192)  # a GPU prefers a few large kernels
LEVEL_BITS = 32  # bits of a score level; the query number is above them
COMPARE = {"pessimistic": (torch.ge,), "optimistic": (torch.gt,), "average": (torch.ge, torch.gt)}


class BothRanks(NamedTuple):
    """Ranks among all candidates, and among those left after exclusion."""

    whole: Float[Tensor, " positives"]
    left: Float[Tensor, " positives"]


def ranks(
    score: Scorer,
    positives: Pairs,
    *,
    candidates: int,
    exclude: Pairs | None = None,
    ties: Ties = "pessimistic",
    within: int | None = None,
    block: tuple[int, int] | None = None,
) -> Float[Tensor, " positives"]:
    r"""The rank of each positive among all candidates of its query.

    $$ rank = 1 + better + ties $$

    `better` is the number of other candidates with a higher score. `ties`, the others with exactly the same score, all
    count (pessimistic), do not count (optimistic), or count one half each (average).

    Each query is scored once, regardless of its number of positives, in blocks that stay in cache. A positive's score
    is taken from its block, never computed separately: with two different roundings it could lose against itself.

    Metrics of the first k need no rank above k. `within=k` gives up a query as soon as k candidates are better than its
    best positive, often after a few percent of the candidates (see `motet.metrics.contenders`).

    The last bits of a score may depend on the shape of its block, so scores that differ by rounding alone may change
    places with another `block`, or with `within`.

    Args:
        score: Scores a block; `Dot` makes one of vectors.
        positives: The pairs to rank; the positives of a query compete with each other.
        candidates: Number of candidates, numbered from 0 to `candidates - 1`.
        exclude: Candidates to remove from the ranking of a query. An excluded positive is still ranked among the
            remaining candidates, but does not count for the ranks of other positives.
        ties: The rule above. Pessimistic by default, so that a constant model ranks last, not first.
        within: The largest rank to tell; larger ones are infinity. By default all ranks.
        block: Number of queries and candidates per block; by default as many as suit the device.

    Returns:
        Ranks from 1, float64; halves come from `average`.

    Raises:
        ConfigError: If `ties` is unknown, or `within` is below 1.
        DataError: If a positive is not a candidate; the message names it.
        NaNScoreError: If a score is NaN. With `within`, the scores that are left out are not looked at.

    Example:
        >>> from motet.metrics import Dot
        >>> query, items = torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0], [2.0, 0.0], [2.0, 5.0]])
        >>> ranks(Dot(query, items), Pairs(torch.tensor([0, 0]), torch.tensor([0, 1])), candidates=3)
        tensor([1., 3.], dtype=torch.float64)
    """
    none = positives.queries.new_zeros(0)
    excluded = Pairs(none, none) if exclude is None else exclude
    return both_ranks(
        score, positives, candidates=candidates, exclude=excluded, ties=ties, within=within, block=block
    ).left


@torch.no_grad()
def both_ranks(
    score: Scorer,
    positives: Pairs,
    *,
    candidates: int,
    exclude: Pairs,
    ties: Ties = "pessimistic",
    within: int | None = None,
    block: tuple[int, int] | None = None,
) -> BothRanks:
    """Compute `ranks` without and with `exclude` in the time of one call: scores are computed and counted once.

    Args:
        score: Scores a block.
        positives: The pairs to rank.
        candidates: Number of candidates.
        exclude: Candidates to remove from the second ranking of a query.
        ties: See `ranks`.
        within: See `ranks`.
        block: Number of queries and candidates per block; by default as many as suit the device.

    Returns:
        Both ranks of each positive.

    Raises:
        ConfigError: If `ties` is unknown, or `within` is below 1.
        DataError: If a positive is not a candidate; the message names it.
        NaNScoreError: If a score is NaN.

    Example:
        >>> from motet.metrics import Dot
        >>> query, items = torch.ones(1, 1), torch.tensor([[3.0], [2.0], [1.0]])
        >>> first, second, third = torch.arange(3)[:, None]
        >>> both_ranks(Dot(query, items), Pairs(first, third), candidates=3, exclude=Pairs(first, second))
        BothRanks(whole=tensor([3.], dtype=torch.float64), left=tensor([2.], dtype=torch.float64))
    """
    if ties not in COMPARE:
        raise ConfigError(f"ties={ties!r} is not one of {', '.join(COMPARE)}{did_you_mean(ties, COMPARE)}")
    wrong = (positives.candidates < 0) | (positives.candidates >= candidates)
    if wrong.any():
        number = int(positives.candidates[wrong][0])
        raise DataError(f"positive {number} is not a candidate; candidates are 0 to {candidates - 1}")
    block = block or (BLOCK if positives.queries.device.type == "cpu" else BLOCK_ELSEWHERE)
    if within is None:
        return _all_ranks(score, positives, candidates, exclude, ties, block)
    if within < 1:
        raise ConfigError(f"within={within}; the first rank is 1")
    may = contenders(score, positives, candidates=candidates, exclude=exclude, within=within, block=block)
    chosen = may.nonzero()[:, 0]
    some = _all_ranks(score, Pairs(*(side[chosen] for side in positives)), candidates, exclude, ties, block)
    nowhere = torch.full(positives.queries.shape, torch.inf, dtype=torch.float64, device=chosen.device)
    return BothRanks(*(nowhere.index_copy(0, chosen, found.where(found <= within, torch.inf)) for found in some))


def _all_ranks(
    score: Scorer, positives: Pairs, candidates: int, exclude: Pairs, ties: Ties, block: tuple[int, int]
) -> BothRanks:
    both = BothRanks(*torch.empty(2, len(positives.queries), dtype=torch.float64, device=positives.queries.device))
    passed = torch.empty(block[0] * min(block[1], candidates), device=positives.queries.device)
    for rows, part in _blocks(positives, exclude, candidates, block, passed):
        targets = part.guess(score, block[1])
        counted = part.sweep(score, targets, ties)
        if not torch.equal(counted.own, targets):  # rounding depends on the product's shape here: use the block's score
            counted = part.sweep(score, counted.own, ties)
        both.whole[rows], both.left[rows] = counted.ranks
    return both


class _Line(NamedTuple):
    """Rows of a block of scores, the score to compare each with, and the output for the number that reach it."""

    rows: slice | Int[Tensor, " n"]
    targets: Real[Tensor, "n 1"]
    reached: Float[Tensor, " n"]


class _Counted(NamedTuple):
    ranks: BothRanks
    own: Real[Tensor, " n"]  # each positive's score in its block


@dataclass
class _Part:
    """Some queries and their positives: the first of every query, then the second of those that have two, and so on.

    Queries with more positives come first, so the queries with a j-th positive are the first rows of a block of scores.
    """

    queries: Int[Tensor, " q"]
    positives: Pairs  # of rows of the block
    excluded: Pairs  # likewise, distinct and sorted
    edges: list[int]
    passed: Float[Tensor, " cells"]  # reused: allocating memory of this size takes longer than counting
    levels: list[int]  # the number of queries with a j-th positive, while it is at least FEW

    def guess(self, score: Scorer, width: int) -> Real[Tensor, " n"]:
        """The positives' scores, computed before their blocks are scored."""
        distinct, column = self.positives.candidates.unique(return_inverse=True)
        found: Tensor | None = None
        for start in range(0, len(distinct), width):
            scores = score(self.queries, distinct[start : start + width])
            found = scores.new_empty(len(column)) if found is None else found
            here = ((column >= start) & (column < start + width)).nonzero()[:, 0]
            found[here] = scores[self.positives.queries[here], column[here] - start]
        assert found is not None
        return found

    def sweep(self, score: Scorer, targets: Real[Tensor, " n"], ties: Ties) -> _Counted:
        """Count block by block the scores that reach the targets, and how many of these are excluded."""
        every = Pairs(*(torch.cat(both) for both in zip(self.positives, self.excluded, strict=True)))
        cells, columns = Cells(every, self.edges), torch.arange(self.edges[-1], device=self.queries.device)
        counts = torch.zeros_like(targets, dtype=torch.float64)
        reached = self.passed.new_empty(len(targets))
        lines = self._lines(targets, reached)
        copies = targets.new_empty(0 if len(lines) == len(self.levels) else len(self.passed))
        held, total = [], targets.new_zeros(())
        for number, (start, stop) in enumerate(pairwise(self.edges)):
            scores = score(self.queries, columns[start:stop])
            total += scores.sum()
            held.append(scores[cells.within(number)])
            for compare in COMPARE[ties]:
                self._count(scores, compare, lines, copies)
                counts += reached
        if total.isnan():
            self._refuse_nan(score)
        own, others = cells.join(held).split([len(targets), len(self.excluded.queries)])
        left = counts - self._excluded(own, others, ties)
        if ties != "optimistic":  # a positive does not tie with itself
            counts, left = counts - 1, left - self._present().double()
        share = len(COMPARE[ties])
        return _Counted(BothRanks(1 + counts / share, 1 + left / share), own)

    def _lines(self, targets: Tensor, reached: Tensor) -> list[_Line]:
        lines, start, rows = [], 0, self.positives.queries
        for size in self.levels:
            here = slice(start, start + size)
            lines.append(_Line(slice(size), targets[here, None], reached[here]))
            start += size
        many = len(self.passed) // self.edges[1]
        for here in (slice(at, at + many) for at in range(start, len(rows), many)):
            lines.append(_Line(rows[here], targets[here, None], reached[here]))
        return lines

    def _count(self, scores: Tensor, compare: Callable[..., Tensor], lines: list[_Line], copies: Tensor) -> None:
        """Count with floats, which sum three times faster than booleans."""
        for rows, targets, reached in lines:
            shape = len(targets), scores.shape[1]
            cells = shape[0] * shape[1]
            if isinstance(rows, slice):
                some = scores[rows]
            else:  # index_select is three times faster than indexing
                some = torch.index_select(scores, 0, rows, out=copies[:cells].view(shape))
            passed = self.passed[:cells].view(shape)
            torch.sum(compare(some, targets, out=passed), 1, out=reached)

    def _excluded(self, own: Tensor, others: Tensor, ties: Ties) -> Float[Tensor, " n"]:
        """The number of excluded candidates that reach the score of each positive of their query."""
        bounds = [(compare, own) for compare in COMPARE[ties]]
        found = numbers_beyond(bounds, self.positives.queries, others, self.excluded.queries)
        return sum(found, torch.zeros_like(own, dtype=torch.float64))

    def _present(self) -> Bool[Tensor, " n"]:
        """Which positives are not excluded."""
        mine, theirs = (pairs.queries * self.edges[-1] + pairs.candidates for pairs in (self.positives, self.excluded))
        places = torch.searchsorted(theirs, mine).clamp(max=max(0, len(theirs) - 1))
        return theirs[places] != mine if len(theirs) else torch.ones_like(mine, dtype=torch.bool)

    def _refuse_nan(self, score: Scorer) -> None:
        for start, stop in pairwise(self.edges):
            found = score(self.queries, torch.arange(start, stop, device=self.queries.device)).isnan().nonzero()
            if len(found):
                row, column = found[0].tolist()
                raise NaNScoreError(int(self.queries[row]), start + column)


def numbers_beyond(
    bounds: Sequence[tuple[Callable[..., Tensor], Real[Tensor, " n"]]],
    queries: Int[Tensor, " n"],
    scores: Real[Tensor, " m"],
    of: Int[Tensor, " m"],
) -> list[Int[Tensor, " n"]]:
    """Count the scores of each query that are beyond a number, without a table of queries x scores.

    Args:
        bounds: Numbers, and what being beyond them means: `torch.gt` or `torch.ge`.
        queries: The query of each number, from 0.
        scores: In any order.
        of: The query of each score.

    Returns:
        The number of scores for each number, by bound.

    Example:
        >>> user, scores = torch.tensor([0, 0, 1]), torch.tensor([1.0, 2.0, 9.0])
        >>> numbers_beyond([(torch.ge, torch.tensor([2.0])), (torch.gt, torch.tensor([2.0]))], user[:1], scores, user)
        [tensor([1]), tensor([0])]
    """
    sizes = [len(scores), *[len(queries)] * len(bounds)]
    theirs, *ours = _levels(torch.cat([scores, *(numbers for _, numbers in bounds)])).split(sizes)
    cells = ((of << LEVEL_BITS) + theirs).sort().values
    first, stop = ((queries + more) << LEVEL_BITS for more in (0, 1))
    ends = torch.searchsorted(cells, stop)
    return [
        ends - torch.searchsorted(cells, first + mine, right=compare is torch.gt)
        for (compare, _), mine in zip(bounds, ours, strict=True)
    ]


def _levels(scores: Real[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Integers from 0, of `LEVEL_BITS` bits, with the same order and ties as the scores."""
    if scores.dtype == torch.float64 or not scores.is_floating_point():
        level: Tensor = scores.unique(return_inverse=True)[1]
        return level
    bits = (scores.float() + 0.0).view(torch.int32).long()  # adding 0 turns -0 into 0
    return torch.where(bits < 0, -bits, bits + 2**31)


def _blocks(
    positives: Pairs, exclude: Pairs, candidates: int, block: tuple[int, int], passed: Tensor
) -> Iterator[tuple[Tensor, _Part]]:
    """Yield blocks of queries, each with the positions of its positives."""
    queries, row, counts = positives.queries.unique(return_inverse=True, return_counts=True)
    most_first = counts.argsort(descending=True, stable=True)
    queries, row = queries[most_first], most_first.argsort()[row]
    edges = [*range(0, candidates, block[1]), candidates]
    order = row.argsort(stable=True)
    row = row[order]
    excluded = of_queries(exclude, queries, candidates)
    for start in range(0, len(queries), block[0]):
        stop = min(start + block[0], len(queries))
        here = order[between(row, start, stop)]
        left_out = between(excluded.queries, start, stop)
        others = Pairs(excluded.queries[left_out] - start, excluded.candidates[left_out])
        rows = row[between(row, start, stop)] - start
        sizes = torch.bincount(rows)
        number = torch.arange(len(rows), device=rows.device) - (sizes.cumsum(0) - sizes)[rows]
        by_number = number.argsort(stable=True)
        levels = [size for size in torch.bincount(number).tolist() if size >= FEW]
        rows, here = rows[by_number], here[by_number]
        mine = Pairs(rows, positives.candidates[here])
        yield here, _Part(queries[start:stop], mine, others, edges, passed, levels)
