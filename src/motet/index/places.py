"""places: ranks up to k by dot product, as the places on the lists of an exact index."""

from __future__ import annotations

import math
from functools import partial

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from motet.index.best import lined
from motet.index.compared import of_pairs
from motet.index.exact import ExactIndex
from motet.index.rounded import suits
from motet.metrics.contenders import contenders
from motet.metrics.ranks import BLOCK, BothRanks, Ties, both_ranks
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
    rank = partial(both_ranks, score, candidates=size, exclude=exclude, within=within, ties=ties)
    if size < EACH * within or not suits(score.candidates) or not _finite(score):
        return rank(positives)
    may = contenders(score, positives, candidates=size, exclude=exclude, within=within, block=BLOCK)
    both = BothRanks(*torch.full((2, len(may)), math.inf, dtype=torch.float64).masked_fill(may, math.nan))
    if len(positives.queries[may].unique()) >= MANY:
        both = _filled(both, may, _listed(score, _some(positives, may), exclude, within))
    undecided = both.left.isnan() | both.whole.isnan()
    return _filled(both, undecided, rank(_some(positives, undecided)))


def _finite(score: Dot) -> bool:
    return all(bool(part.isfinite().all()) for part in (score.queries, score.candidates))


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
    barred = lined(excluded.queries, barred, len(numbers), -math.inf)
    own, close = _scores(score, positives).double(), _close(score)[positives.queries]
    better, same = _counts(found[line], own, close)
    more, others = _counts(barred[line], own, close)
    last = found[line, within] if found.shape[1] > within else torch.full_like(own, -math.inf)
    kept = ~torch.isin(_cells(Pairs(line, positives.candidates), score), _cells(excluded, score))
    doubtful = (same > kept.long()) | (last >= own - close)  # a positive is the same as itself
    return BothRanks(_ranks(better + more, doubtful | (same + others > 1), within), _ranks(better, doubtful, within))


def _scores(score: Dot, pairs: Pairs) -> Float[Tensor, " pairs"]:
    parts = zip(pairs.candidates.split(PAIRS), pairs.queries.split(PAIRS), strict=True)
    return torch.cat([of_pairs(score.candidates, score.queries, rows, lines) for rows, lines in parts])


def _close(score: Dot) -> Float64[Tensor, " queries"]:
    """By how much two scores of a query can differ through rounding alone, each by two orders of additions."""
    width, single = score.candidates.shape[1], torch.finfo(score.candidates.dtype)
    length, longest = (part.double().norm(dim=-1) for part in (score.queries, score.candidates))
    length = length if length.ndim == 1 else length.amax(1)
    lost: Tensor = (width + 2) * single.eps / 2 * length * longest.amax() + width * single.tiny
    return 4 * lost


def _counts(scores: Tensor, own: Tensor, close: Tensor) -> tuple[Tensor, Tensor]:
    """For each line, how many scores are better than its own, and how many are too close to tell."""
    gap = scores.double() - own[:, None]
    return (gap > close[:, None]).sum(1), (gap.abs() <= close[:, None]).sum(1)


def _cells(pairs: Pairs, score: Dot) -> Int[Tensor, " pairs"]:
    return pairs.queries * len(score.candidates) + pairs.candidates


def _ranks(better: Int[Tensor, " n"], doubtful: Bool[Tensor, " n"], within: int) -> Float64[Tensor, " n"]:
    return (1.0 + better).double().masked_fill(doubtful, math.nan).masked_fill(better >= within, math.inf)
