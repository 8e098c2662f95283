"""places: ranks up to k by dot product, as the places on the lists of an exact index."""

from __future__ import annotations

import math
from functools import partial

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from motet.index.compared import of_pairs
from motet.index.exact import ExactIndex
from motet.index.rounded import suits
from motet.metrics.contenders import contenders
from motet.metrics.ranks import BLOCK, BothRanks, Ties, both_ranks, numbers_beyond
from motet.metrics.scorers import Dot, Pairs, of_queries

MANY = 512  # queries; fewer do not pay for the index
EACH = 4096  # candidates for each rank told; among fewer, too many are near the end of a list
PAIRS = 1 << 14  # pairs compared at once, so that their vectors stay in cache


@torch.no_grad()
def places(score: Dot, positives: Pairs, *, exclude: Pairs, within: int, ties: Ties = "pessimistic") -> BothRanks:
    """The ranks up to k that `both_ranks` tells, in less time for many queries and candidates.

    `contenders` gives up most queries. The others get a list of k + 1 candidates from an `ExactIndex`, on which every
    candidate stands that is better than a positive of rank k. Where two scores differ by less than rounding explains,
    `both_ranks` decides, as it does where the index would keep no rounded copy (`suits`).

    Args:
        score: Scores by dot product.
        positives: The pairs to rank.
        exclude: Candidates to remove from the second ranking of a query.
        within: The largest rank to tell, at least 1; larger ones are infinity.
        ties: See `motet.metrics.ranks`.

    Returns:
        Both ranks of each positive.

    Raises:
        NaNScoreError: If a score is NaN.

    Example:
        >>> score = Dot(torch.ones(1, 1), torch.tensor([[3.0], [2.0], [1.0]]))
        >>> first, second, third = torch.arange(3)[:, None]
        >>> places(score, Pairs(first, third), exclude=Pairs(first, second), within=2)
        BothRanks(whole=tensor([inf], dtype=torch.float64), left=tensor([2.], dtype=torch.float64))
    """
    size = len(score.candidates)
    rank = partial(both_ranks, score, candidates=size, exclude=exclude, ties=ties)
    if size < EACH * within or not suits(score.candidates) or not _finite(score):
        return rank(positives, within=within)
    may = contenders(score, positives, candidates=size, exclude=exclude, within=within, block=BLOCK)
    both = BothRanks(*torch.full((2, len(may)), math.inf, dtype=torch.float64).masked_fill(may, math.nan))
    if len(positives.queries[may].unique()) >= MANY:
        both = _filled(both, may, _listed(score, _some(positives, may), exclude, within))
    undecided = both.left.isnan() | both.whole.isnan()
    told = rank(_some(positives, undecided))
    return _filled(both, undecided, BothRanks(*(each.where(each <= within, math.inf) for each in told)))


def _finite(score: Dot) -> bool:
    """Whether no score can be infinite or NaN."""
    every = torch.arange(len(score.queries), device=score.queries.device)
    return bool(score.room(every).isfinite().all())


def _some(pairs: Pairs, mask: Bool[Tensor, " n"]) -> Pairs:
    return Pairs(*(side[mask] for side in pairs))


def _filled(both: BothRanks, mask: Bool[Tensor, " n"], some: BothRanks) -> BothRanks:
    return BothRanks(*(part.masked_scatter(mask, told) for part, told in zip(both, some, strict=True)))


def _listed(score: Dot, positives: Pairs, exclude: Pairs, within: int) -> BothRanks:
    """Both ranks of each positive by the list of its query; NaN where two scores are too close to tell."""
    numbers, line = positives.queries.unique(return_inverse=True)
    excluded = of_queries(exclude, numbers, len(score.candidates))
    left_out = excluded.candidates.split(excluded.queries.bincount(minlength=len(numbers)).tolist())
    found = ExactIndex(score.candidates).search(score.queries[numbers], within + 1, exclude=left_out).scores
    barred = _scores(score, Pairs(numbers[excluded.queries], excluded.candidates))
    own, room = _scores(score, positives), score.room(positives.queries)
    high, low = (own + room).to(own), (own - room).to(own)  # a score between them is too close to tell
    better, reached = (found[line] > high[:, None]).sum(1), (found[line] >= low[:, None]).sum(1)
    more, others = numbers_beyond([(torch.gt, high), (torch.ge, low)], line, barred, excluded.queries)
    last = found[line, within] if found.shape[1] > within else torch.full_like(own, -math.inf)
    kept = ~torch.isin(_cells(Pairs(line, positives.candidates), score), _cells(excluded, score))
    doubtful = (reached - better > kept.long()) | (last >= low)  # a positive is as good as itself
    whole, close = better + more, reached + others
    return BothRanks(_ranks(whole, doubtful | (close - whole > 1), within), _ranks(better, doubtful, within))


def _scores(score: Dot, pairs: Pairs) -> Float[Tensor, " pairs"]:
    parts = zip(pairs.candidates.split(PAIRS), pairs.queries.split(PAIRS), strict=True)
    return torch.cat([of_pairs(score.candidates, score.queries, rows, lines) for rows, lines in parts])


def _cells(pairs: Pairs, score: Dot) -> Int[Tensor, " pairs"]:
    return pairs.queries * len(score.candidates) + pairs.candidates


def _ranks(better: Int[Tensor, " n"], doubtful: Bool[Tensor, " n"], within: int) -> Float64[Tensor, " n"]:
    return (1.0 + better).double().masked_fill(doubtful, math.nan).masked_fill(better >= within, math.inf)
