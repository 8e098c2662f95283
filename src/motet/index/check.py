"""What an index finds of what there is, and how long it takes; and the index that finds enough."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.arguments import checked
from motet.errors import ConfigError
from motet.index.approximate import ApproximateIndex
from motet.index.base import Hits, Index
from motet.index.codes import Codes
from motet.index.exact import ExactIndex

FIRST = 128  # rows: the shortest shortlist that is tried
CELLS = 2  # times the root of the number of rows, as a power of two
ROUNDING = 1e-9  # of shares that are added up
FEW = 8  # cells pay where no more than one in eight is looked at: codes are read faster without them


class Figures(NamedTuple):
    """Figures of an index.

    Attributes:
        recall: The share of the k best rows that it finds, the mean over queries.
        p50_ms: The time of a search for one query, in milliseconds: half take no longer.
        p99_ms: The same, of 99 in a hundred.
    """

    recall: float
    p50_ms: float
    p99_ms: float


Lines = Sequence[Int[Tensor, " _"]] | None
"""Rows that each query must not find, such as the items a user has seen."""


@checked
def check(
    index: Index, queries: Float[Tensor, "n *heads width"], k: int, *, truth: Index, exclude: Lines = None
) -> Figures:
    r"""Search for one query after the other, and compare with what an exact search finds.

    $$ recall@k = |found \cap best| / |best| $$

    Args:
        index: Of the same vectors as `truth`.
        queries: At least one.
        k: How many rows each asks for.
        truth: An exact index.
        exclude: What each query must not find. What a user has seen is often the best of all: without it more cells
            have to be looked at for as many of the rest.

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
    times, found = [], []
    for query, line in _asked(queries, exclude):
        start = time.perf_counter()
        hits = index.search(query, k, exclude=line)
        times.append(time.perf_counter() - start)
        found += _rows(hits)
    p50, p99 = (float(1e3 * quantile) for quantile in np.quantile(times, [0.5, 0.99]))
    return Figures(_recall(found, _rows(truth.search(queries, k, exclude=exclude))), p50, p99)


@checked
def fitted(
    vectors: Float[Tensor, "rows width"],
    queries: Float[Tensor, "n *heads width"],
    k: int,
    *,
    recall: float,
    truth: ExactIndex,
    exclude: Lines = None,
) -> ApproximateIndex:
    """An approximate index that reaches a recall; with cells where few of them have to be looked at.

    Args:
        vectors: One a row.
        queries: Like those it will answer; each counts alike.
        k: How many rows each asks for.
        recall: In (0, 1].
        truth: Of the same vectors.
        exclude: As in `check`.

    Returns:
        The index, tuned.

    Raises:
        ConfigError: If the recall is not above 0 and at most 1, or there is no query.
    """
    cells = min(len(vectors), 1 << round(math.log2(CELLS * math.sqrt(max(1, len(vectors))))))
    index = ApproximateIndex(vectors, cells=max(1, cells))
    tune(index, queries, k, recall=recall, truth=truth, exclude=exclude)
    if index.probes * FEW <= cells:
        return index
    index = ApproximateIndex(vectors)
    tune(index, queries, k, recall=recall, truth=truth, exclude=exclude)
    return index


@checked
def tune(
    index: ApproximateIndex,
    queries: Float[Tensor, "n *heads width"],
    k: int,
    *,
    recall: float,
    truth: ExactIndex,
    exclude: Lines = None,
) -> None:
    """Set as few cells to look at, and as short a shortlist to within a quarter, as reach a recall.

    A quarter of what may be missed is left to the cells that are not looked at.

    Args:
        index: Its `probes` and `shortlist` are set.
        queries: Like those it will answer; each counts alike.
        k: How many rows each asks for.
        recall: In (0, 1].
        truth: Of the same vectors.
        exclude: As in `check`.

    Raises:
        ConfigError: If the recall is not above 0 and at most 1, or there is no query.
    """
    if not 0 < recall <= 1:
        raise ConfigError(f"recall={recall}; it must be above 0 and at most 1")
    if not len(queries):
        raise ConfigError("there is no query to tune an index with; give at least one")
    best, asked = _rows(truth.search(queries, k, exclude=exclude)), _asked(queries, exclude)
    if index.codes is not None:
        index.probes = _probes(index.codes, queries, best, (3 + recall) / 4)
    index.shortlist = FIRST
    while _recall(_found(index, asked, k), best) < recall:
        index.shortlist += index.shortlist // 4  # ends, because a shortlist of many rows is an exact search


def _asked(queries: Tensor, exclude: Lines) -> list[tuple[Tensor, Lines]]:
    """One query after the other, with its line."""
    lines = [None] * len(queries) if exclude is None else [[line] for line in exclude]
    return list(zip(queries.split(1), lines, strict=True))


def _found(index: Index, asked: Sequence[tuple[Tensor, Lines]], k: int) -> list[Tensor]:
    return [rows for query, line in asked for rows in _rows(index.search(query, k, exclude=line))]


def _rows(hits: Hits) -> list[Tensor]:
    """The rows of each answer, without what fills it up."""
    return [line[line >= 0] for line in hits.rows]


def _probes(codes: Codes, queries: Tensor, best: list[Tensor], share: float) -> int:
    """The fewest cells that hold a share of what is to be found."""
    places = [_places(codes, query, rows) for query, rows in zip(queries, best, strict=True)]
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


def _recall(found: list[Tensor], best: list[Tensor]) -> float:
    """The mean share over queries; where nothing may be found, nothing is missed."""
    shares = [
        torch.isin(b, a).double().mean() if len(b) else torch.ones((), dtype=torch.float64)
        for a, b in zip(found, best, strict=True)
    ]
    return float(torch.stack(shares).mean())
