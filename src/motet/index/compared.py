"""Vectors compared in full with a query, all of them or a few; of one row the same bits, whatever is beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from motet.index.base import Hits, Rows
from motet.index.best import trimmed
from motet.index.filter import Filter

Numbers = npt.NDArray[np.int64]
Scores = npt.NDArray[np.floating[Any]]

FRACTION = 8  # where more than one row in eight is to be compared, gathering them takes longer than comparing all
GATHERED = 1 << 24  # numbers of vectors that are gathered at once, 64 MB
BLOCK = 1 << 14  # rows that are compared at once
ENDS = 1 << 14  # ends of row numbers that are told apart, a byte each: half of the nearest cache
SORTED = 4  # scores for each row asked for: up to so many are sorted sooner than the best of them are found


def compared(vectors: Float[Tensor, "rows width"], queries: Float[Tensor, "n *heads width"]) -> Float[Tensor, "n rows"]:
    r"""Dot products, of the best head where a query has several.

    A matrix product adds up in an order that depends on its shape. Here each product is a sum of its own, so that
    the score of a row is the same bit for bit, however many rows and queries are compared.

    Args:
        vectors: One a row.
        queries: One a line.

    Returns:
        Scores, a line a query.
    """
    heads, blocks = _heads(queries), vectors.split(BLOCK)
    return torch.cat([_best_head([(block * head[:, None]).sum(-1) for head in heads]) for block in blocks], 1)


def of_pairs(
    vectors: Float[Tensor, "rows width"],
    queries: Float[Tensor, "n *heads width"],
    rows: Int[Tensor, " pairs"],
    lines: Int[Tensor, " pairs"],
) -> Float[Tensor, " pairs"]:
    """The same of single pairs.

    Args:
        vectors: One a row.
        queries: One a line.
        rows: Which vector of each pair.
        lines: Which query.

    Returns:
        A score a pair.
    """
    blocks = zip(*(part.split(max(1, GATHERED // vectors.shape[1])) for part in (rows, lines)), strict=True)
    return torch.cat([_dot(vectors, row, _heads(queries.index_select(0, line))) for row, line in blocks])


def among(
    vectors: Float[Tensor, "rows width"],
    queries: Float[Tensor, "n *heads width"],
    rows: Int[Tensor, "n some"],
    k: int,
    allowed: Filter,
    *,
    limit: int | None = None,
) -> Hits:
    """The k best of some rows.

    Args:
        vectors: One a row.
        queries: One a line.
        rows: A line for each query, in any order; -1 stands for none. A row that comes twice counts once; where there
            is a limit, none may.
        k: How many of them.
        allowed: What may be found, besides what it says of `only`.
        limit: How many are compared, the first that may be found; all where not given.

    Returns:
        The best of each line, best first.
    """
    if not len(queries):
        return trimmed([], vectors)
    heads, best = _heads(queries), []
    for number, line in enumerate(rows.numpy()):
        line = _allowed(_distinct(line) if limit is None else line, allowed.banned(number))[:limit]
        scores = _dot(vectors, torch.from_numpy(line), [head[number] for head in heads])
        best.append(_best(line, scores.double().numpy(), k))
    found, values = zip(*best, strict=True)
    return Hits(_table(found, -1), _table(values, -math.inf).to(vectors.dtype))


def listed(only: Rows, queries: int) -> Int[Tensor, "n longest"]:
    """The rows that may be found, as one table.

    Args:
        only: As `Index.search` takes them.
        queries: How many ask.

    Returns:
        A line a query; -1 fills up shorter lines.
    """
    if isinstance(only, Tensor):
        return only.long().expand(queries, -1)
    if not queries:
        return torch.zeros(0, 0, dtype=torch.long)
    return pad_sequence([line.long() for line in only], batch_first=True, padding_value=-1)


def _table(lines: Sequence[npt.NDArray[Any]], filling: float) -> Tensor:
    if len(lines) == 1:
        return torch.from_numpy(lines[0][None])
    return pad_sequence([torch.from_numpy(line) for line in lines], batch_first=True, padding_value=filling)


def _distinct(rows: Numbers) -> Numbers:
    """In ascending order, each once, and none of them -1."""
    rows = np.sort(rows)
    return rows[np.diff(rows, prepend=-1) > 0]


def _allowed(rows: Numbers, banned: Numbers) -> Numbers:
    """Those that are not banned, as they stand; only where a row ends in the bits of a banned one is it looked up."""
    kept, ends = rows >= 0, np.zeros(ENDS, bool)
    ends[banned & ENDS - 1] = True
    (places,) = ends[rows & ENDS - 1].nonzero()
    if len(places):
        some, banned = rows[places], np.sort(banned)
        kept[places] &= banned.take(banned.searchsorted(some), mode="clip") != some
    return rows[kept]


def _best(rows: Numbers, scores: Scores, k: int) -> tuple[Numbers, Scores]:
    """The k best, the lowest row first among equals; numpy takes a third of torch's time for small steps."""
    if len(rows) > SORTED * k:
        (above,) = (scores >= np.partition(scores, -k)[-k]).nonzero()
        rows, scores = rows[above], scores[above]
    order = np.argsort(-scores)
    ordered = scores[order]
    if np.count_nonzero(ordered[1:] == ordered[:-1]):  # which is rare: a sort by both takes four times as long
        order = np.lexsort((rows, -scores))
        ordered = scores[order]
    return rows[order[:k]], ordered[:k]


def _heads(queries: Tensor) -> Sequence[Tensor]:
    return [queries] if queries.ndim == 2 else queries.unbind(1)


def _dot(vectors: Tensor, rows: Tensor, heads: Sequence[Tensor]) -> Tensor:
    """Of some rows; the last product is written over their copy, as fresh memory takes longer than the product."""
    copy = vectors.index_select(0, rows)
    *others, last = heads
    return _best_head([*((copy * head).sum(-1) for head in others), copy.mul_(last).sum(-1)])


def _best_head(scores: list[Tensor]) -> Tensor:
    return scores[0] if len(scores) == 1 else torch.stack(scores).amax(0)
