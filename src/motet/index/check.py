"""What an index finds of what there is, and how long it takes; and the index that finds enough."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motet.errors import ConfigError
from motet.index.approximate import ApproximateIndex
from motet.index.base import Hits, Index
from motet.index.codes import Codes
from motet.index.exact import ExactIndex

FIRST = 128  # rows: the shortest shortlist that is tried
CELLS = 2  # times the root of the number of rows, as a power of two
ROUNDING = 1e-9  # of shares that are added up
FEW = 8  # cells pay where no more than one in eight is looked at: codes are read faster without them


class Checked(NamedTuple):
    """Figures of an index.

    Attributes:
        recall: The share of the k best rows that it finds, the mean over queries.
        p50_ms: The time of a search for one query, in milliseconds: half take no longer.
        p99_ms: The same, of 99 in a hundred.
    """

    recall: float
    p50_ms: float
    p99_ms: float


def check(index: Index, queries: Float[Tensor, "n *heads width"], k: int, *, truth: Index) -> Checked:
    r"""Search for one query after the other, and compare with what an exact search finds.

    $$ recall@k = |found \cap best| / |best| $$

    Args:
        index: Of the same vectors as `truth`.
        queries: At least one.
        k: How many rows each asks for.
        truth: An exact index.

    Returns:
        Recall and times.

    Raises:
        ConfigError: If there is no query.

    Example:
        >>> index = ExactIndex(torch.eye(3))
        >>> check(index, torch.ones(2, 3), 2, truth=index).recall
        1.0
    """
    if not len(queries):
        raise ConfigError("there is no query to check an index with; give at least one")
    index.search(queries[:1], k)  # the first search pays for what later ones find in place
    times, hits = [], []
    for query in queries.split(1):
        start = time.perf_counter()
        hits.append(index.search(query, k))
        times.append(time.perf_counter() - start)
    p50, p99 = (float(1e3 * quantile) for quantile in np.quantile(times, [0.5, 0.99]))
    return Checked(_recall(hits, _each(truth.search(queries, k))), p50, p99)


def fitted(
    vectors: Float[Tensor, "rows width"],
    queries: Float[Tensor, "n *heads width"],
    k: int,
    *,
    recall: float,
    truth: ExactIndex,
) -> ApproximateIndex:
    """An approximate index that reaches a recall; with cells where few of them have to be looked at.

    Args:
        vectors: One a row.
        queries: Like those it will answer; each counts alike.
        k: How many rows each asks for.
        recall: In (0, 1].
        truth: Of the same vectors.

    Returns:
        The index, tuned.

    Raises:
        ConfigError: If the recall is not above 0 and at most 1, or there is no query.
    """
    cells = min(len(vectors), 1 << round(math.log2(CELLS * math.sqrt(max(1, len(vectors))))))
    index = ApproximateIndex(vectors, cells=max(1, cells))
    tune(index, queries, k, recall=recall, truth=truth)
    if index.probes * FEW <= cells:
        return index
    index = ApproximateIndex(vectors)
    tune(index, queries, k, recall=recall, truth=truth)
    return index


def tune(
    index: ApproximateIndex, queries: Float[Tensor, "n *heads width"], k: int, *, recall: float, truth: ExactIndex
) -> None:
    """Set as few cells to look at, and as short a shortlist to within a quarter, as reach a recall.

    A quarter of what may be missed is left to the cells that are not looked at.

    Args:
        index: Its `probes` and `shortlist` are set.
        queries: Like those it will answer; each counts alike.
        k: How many rows each asks for.
        recall: In (0, 1].
        truth: Of the same vectors.

    Raises:
        ConfigError: If the recall is not above 0 and at most 1, or there is no query.
    """
    if not 0 < recall <= 1:
        raise ConfigError(f"recall={recall}; it must be above 0 and at most 1")
    if not len(queries):
        raise ConfigError("there is no query to tune an index with; give at least one")
    best = _each(truth.search(queries, k))
    if index.codes is not None:
        index.probes = _probes(index.codes, queries, best, (3 + recall) / 4)
    index.shortlist = FIRST
    while _recall([index.search(query, k) for query in queries.split(1)], best) < recall:
        index.shortlist += index.shortlist // 4  # ends, because a shortlist of many rows is an exact search


def _each(hits: Hits) -> list[Hits]:
    """An answer a query."""
    return [Hits(*line) for line in zip(hits.rows.split(1), hits.scores.split(1), strict=True)]


def _probes(codes: Codes, queries: Tensor, best: list[Hits], share: float) -> int:
    """The fewest cells that hold a share of what is to be found."""
    places = [_places(codes, query, hits.rows[0]) for query, hits in zip(queries, best, strict=True)]
    nothing = torch.zeros(0, len(codes.cells))
    reached = torch.cat(
        [nothing, *(line.bincount(minlength=len(codes.cells))[None] / len(line) for line in places if len(line))]
    )
    return int((reached.double().mean(0).cumsum(0) < share - ROUNDING).sum()) + 1


def _places(codes: Codes, query: Tensor, rows: Tensor) -> Tensor:
    """How many cells are looked at before that of each row that has one, by the head that comes to it first."""
    heads = query.view(-1, query.shape[-1])
    known = rows[rows < len(codes)]
    return codes.places(heads, known.expand(len(heads), -1)).amin(0)


def _recall(found: list[Hits], best: list[Hits]) -> float:
    shares = [torch.isin(b.rows, a.rows).double().mean() for a, b in zip(found, best, strict=True)]
    return float(torch.stack(shares).mean())
