"""Rankings of every kind, for tests of what ranks them: ties, near ties, several heads, popular items, good models."""

from __future__ import annotations

from typing import NamedTuple

import torch
from hypothesis import strategies as st

from motet.metrics import BothRanks, Dot, Pairs
from motet.metrics.ranks import COMPARE, Ties

KINDS = ("normal", "ties", "heads", "collapsed", "twins", "popular", "double", "good")


class Ranking(NamedTuple):
    """What to rank, and how."""

    score: Dot
    positives: Pairs
    exclude: Pairs
    within: int
    ties: Ties


def draw(generator: torch.Generator, size: int, *limits: int) -> Pairs:
    """Random pairs."""
    return Pairs(*(torch.randint(limit, (size,), generator=generator) for limit in limits))


def clipped(both: BothRanks, within: int) -> BothRanks:
    """Both ranks, infinity beyond k."""
    return BothRanks(*(every.where(every <= within, torch.inf) for every in both))


def ranking(seed: int, size: tuple[int, int], kind: str) -> tuple[Dot, Pairs]:
    """A scorer, and positives."""
    generator = torch.Generator().manual_seed(seed)
    queries, candidates = size
    heads = (2,) if kind == "heads" else ()
    user, item = (torch.randn(shape, generator=generator) for shape in ((queries, *heads, 8), (candidates, 8)))
    positives = draw(generator, 3 * queries, queries, candidates)
    if kind == "ties":
        user, item = user.round(), item.round()
    elif kind == "collapsed":  # scores that differ by rounding alone
        user, item = 1 + 1e-7 * user, 3 + 1e-7 * item
    elif kind == "twins":
        item = item[torch.arange(candidates) // 2]
    elif kind == "popular":
        item = item * torch.arange(1, candidates + 1)[:, None] / candidates
    elif kind == "double":
        user, item = user.double(), item.double()
    elif kind == "good":
        user = user.index_add(0, positives.queries, item[positives.candidates])
    return Dot(user, item), positives


@st.composite
def rankings(draws: st.DrawFn, *, fewest: int = 2) -> Ranking:
    """Random rankings of at least some candidates."""
    size = draws(st.integers(1, 90)), draws(st.integers(fewest, 150))
    seed = draws(st.integers(0, 999))
    score, positives = ranking(seed, size, draws(st.sampled_from(KINDS)))
    exclude = draw(torch.Generator().manual_seed(seed + 1000), draws(st.integers(0, 900)), *size)
    return Ranking(score, positives, exclude, draws(st.integers(1, 20)), draws(st.sampled_from(sorted(COMPARE))))
