"""Contenders: the queries that may have a positive among the first k, without scoring the others in full."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Real
from torch import Tensor

from motet.layers.precision import factors_lost
from motet.metrics.scorers import Cells, Dot, Pairs, Scorer, between, of_queries

FEWEST = 32  # queries, and blocks of candidates; fewer of either are ranked in full as quickly
SAMPLE = 256  # queries whose scores decide which candidates are tried first, one in FEWEST at most
REACH = 3  # standard deviations above its mean score at which a candidate is expected to be of use
AHEAD = 4096  # queries tried together: many, so that those that remain still make a large product
OWN = 512  # positives scored at once: a product with so few queries and columns is a small part of the whole
OTHERS = 64  # candidates scored beside them
FREE = 0.02  # share of the candidates that are tried without a promise
ULPS = 64  # in the last place of a query's largest score; rounding is taken to change less where no bound is known


def contenders(
    score: Scorer, positives: Pairs, *, candidates: int, exclude: Pairs, within: int, block: tuple[int, int]
) -> Bool[Tensor, " positives"]:
    """Tell which positives may rank among the first k.

    The candidates that a sample of queries scores high are tried first: one block of them, then as many again, and so
    on. A query is given up once `within` candidates, without the excluded ones, are better than its best positive by
    more than rounding explains, so that no tie rule and no order of additions would rank it among the first `within`.
    This ends where it gives up too few queries to pay for the next candidates.

    Args:
        score: Scores a block.
        positives: The pairs to rank.
        candidates: Number of candidates.
        exclude: Candidates that do not count for a query.
        within: The k.
        block: Number of queries and candidates scored at once.

    Returns:
        True for the positives of every query that was not given up. All are, if there are few queries or candidates,
        and if a sampled score is NaN.

    Example:
        >>> from motet.metrics import Dot
        >>> queries, items = torch.ones(64, 1), torch.arange(64.0)[:, None]
        >>> each, liked = torch.arange(64), torch.tensor([3] * 63 + [62])
        >>> settings = {"candidates": 64, "exclude": Pairs(each[:0], each[:0]), "within": 2, "block": (64, 1)}
        >>> int(contenders(Dot(queries, items), Pairs(each, liked), **settings).sum())
        1
    """
    queries, rows = positives.queries.unique(return_inverse=True)
    found = torch.ones_like(queries, dtype=torch.bool)
    if len(queries) < FEWEST or candidates < FEWEST * block[1]:
        return found[rows]
    promise = _promise(score, queries[:: max(FEWEST, len(queries) // SAMPLE)], candidates, block[1])
    if promise.isnan().any():
        return found[rows]
    order = promise.argsort(descending=True, stable=True)
    targets = _targets(score, queries, Pairs(rows, positives.candidates), order[:OTHERS])
    edges = [*range(0, candidates, block[1]), candidates]
    trial = _Trial(score, order, edges, within, torch.empty(AHEAD * block[1], device=order.device))
    excluded = of_queries(exclude, queries, candidates)
    place = torch.empty_like(order).index_copy_(0, order, torch.arange(candidates, device=order.device))
    for start in range(0, len(queries), AHEAD):
        some = slice(start, start + AHEAD)
        here = between(excluded.queries, start, some.stop)
        barred = Pairs(excluded.queries[here] - start, place[excluded.candidates[here]])
        found[some] = trial.run(queries[some], targets[some], barred)
    return found[rows]


def _promise(score: Scorer, sample: Int[Tensor, " s"], candidates: int, width: int) -> Float[Tensor, " candidates"]:
    """A high score of each candidate among a sample of queries, so that popular ones and those of large norm lead."""
    parts = []
    for columns in torch.arange(candidates, device=sample.device).split(width):
        scores = score(sample, columns).float()
        mean, square = scores.mean(0), scores.square().mean(0)
        parts.append(mean + REACH * (square - mean.square()).clamp(min=0).sqrt())
    return torch.cat(parts)


def _targets(
    score: Scorer, queries: Int[Tensor, " q"], positives: Pairs, others: Int[Tensor, " some"]
) -> Real[Tensor, " q"]:
    """The score of each query's best positive, raised by what rounding may change.

    That is known of a dot product (`Dot.room`), and nothing of whole numbers. Of another scorer it is taken from the
    largest of some scores, so some other candidates are scored with each block.
    """
    order = positives.queries.argsort(stable=True)
    raised = []
    for here in order.split(OWN):
        mine, row = positives.queries[here].unique_consecutive(return_inverse=True)
        scores = score(queries[mine], torch.cat([positives.candidates[here], others]))
        if isinstance(score, Dot):
            room = score.room(queries[mine])
        else:
            share = ULPS * torch.finfo(scores.dtype).eps if scores.is_floating_point() else 0
            room = (share + factors_lost(scores)) * scores.abs().amax(1)
        raised.append((scores[row, torch.arange(len(here), device=here.device)] + room[row]).to(scores))
    every = torch.cat(raised)
    return every.new_empty(queries.shape).scatter_reduce_(
        0, positives.queries[order], every, "amax", include_self=False
    )


@dataclass(frozen=True)
class _Trial:
    """Candidates in the order in which they are tried."""

    score: Scorer
    order: Int[Tensor, " candidates"]
    edges: list[int]  # of the blocks of candidates
    within: int
    passed: Float[Tensor, " cells"]  # reused: allocating memory of this size takes longer than counting

    def run(self, queries: Int[Tensor, " q"], targets: Real[Tensor, " q"], excluded: Pairs) -> Bool[Tensor, " q"]:
        """Tell which queries are not given up; the excluded pairs are of a row and a place in the order."""
        cells, blocks = Cells(excluded, self.edges), len(self.edges) - 1
        left, better = torch.arange(len(queries), device=queries.device), torch.zeros_like(targets, dtype=torch.float32)
        start, stop, worth = 0, 1, len(queries) / blocks  # the first block is tried in any case
        while 0 < len(left) * (stop - start) / blocks <= max(worth, FREE * len(queries)):
            line = torch.full_like(queries, -1).index_copy_(0, left, torch.arange(len(left), device=left.device))
            for number in range(start, stop):
                better[left] += self._better(queries[left], targets[left], number, line, cells)
            before, left = len(left), left[better[left] < self.within]
            start, stop, worth = stop, min(2 * stop, blocks), before - len(left)
        return torch.zeros_like(queries, dtype=torch.bool).index_fill_(0, left, True)

    def _better(self, queries: Tensor, targets: Tensor, number: int, line: Tensor, cells: Cells) -> Float[Tensor, " n"]:
        """The number of candidates in a block that are better than each target, without the excluded ones."""
        scores = self.score(queries, self.order[self.edges[number] : self.edges[number + 1]])
        passed = self.passed[: scores.numel()].view(scores.shape)
        better = torch.gt(scores, targets[:, None], out=passed).sum(1)
        row, column = cells.within(number)
        row = line[row]
        row, column = row[row >= 0], column[row >= 0]
        return better.index_add_(0, row, passed[row, column], alpha=-1)
