"""Vectors compared in full with a query, all of them or a few; of one row the same bits, whatever is beside it."""

from __future__ import annotations

import math

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

FRACTION = 8  # where more than one row in eight is to be compared, gathering them takes longer than comparing all
GATHERED = 1 << 24  # numbers of vectors that are gathered at once, 64 MB
BLOCK = 1 << 14  # rows that are compared at once
SORTED = 4  # scores for each row asked for: up to so many are sorted sooner than the best of them are found


def compared(
    vectors: Float[Tensor, "rows width"],
    queries: Float[Tensor, "n *heads width"],
    rows: Int[Tensor, "n some"] | None = None,
) -> Float[Tensor, "n some"]:
    r"""Dot products, of the best head where a query has several.

    A matrix product adds up in an order that depends on its shape. Here each product is a sum of its own, so that
    the score of a row is the same bit for bit, however many rows and queries are compared.

    Args:
        vectors: One a row.
        queries: One a line.
        rows: Which vectors each is compared with; all of them where not given.

    Returns:
        Scores, a line a query.
    """
    if rows is None:
        return torch.cat([_dot(block[None], queries) for block in vectors.split(BLOCK)], 1)
    return _dot(vectors.index_select(0, rows.flatten()).view(*rows.shape, vectors.shape[1]), queries)


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
    scores = [_dot(vectors.index_select(0, row)[:, None], queries.index_select(0, line)) for row, line in blocks]
    return torch.cat(scores)[:, 0]


def among(
    vectors: Float[Tensor, "rows width"],
    queries: Float[Tensor, "n *heads width"],
    rows: Int[Tensor, "n some"],
    k: int,
    allowed: Filter,
) -> Hits:
    """The k best of some rows.

    Args:
        vectors: One a row.
        queries: One a line.
        rows: A line for each query, in any order; -1 stands for none, and a row that comes twice counts once.
        k: How many of them.
        allowed: What may be found, besides what it says of `only`.

    Returns:
        The best of each line, best first.
    """
    if not len(queries):
        return trimmed([], vectors)
    each = zip(queries.split(1), rows.numpy(), strict=True)
    best = [_best_among(vectors, query, line, k, allowed.banned(number)) for number, (query, line) in enumerate(each)]
    if len(best) == 1:
        return Hits(*(part[None] for part in best[0]))
    found, scores = map(list, zip(*best, strict=True))
    return Hits(pad_sequence(found, True, -1), pad_sequence(scores, True, -math.inf))


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


def _best_among(vectors: Tensor, query: Tensor, rows: Numbers, k: int, banned: Numbers) -> tuple[Tensor, Tensor]:
    """One line: small steps take numpy a third of the time that they take torch."""
    rows = np.sort(rows)
    kept = rows >= 0
    kept[1:] &= rows[1:] != rows[:-1]
    if len(rows):
        places = rows.searchsorted(banned)  # the first of equal ones
        places[places == len(rows)] = 0
        kept[places[rows[places] == banned]] = False
    rows = rows[kept]
    scores = compared(vectors, query, torch.from_numpy(rows)[None])[0]
    values = scores.double().numpy()
    if len(values) > SORTED * k:
        (above,) = (values >= np.partition(values, -k)[-k]).nonzero()
        order = above[_order(values[above])[:k]]
    else:
        order = _order(values)[:k]
    return torch.from_numpy(rows[order]), scores.index_select(0, torch.from_numpy(order))


def _order(values: npt.NDArray[np.float64]) -> Numbers:
    """Where the largest stand, equal ones as they stand; a stable sort takes twice as long, and few lines need it."""
    order = np.argsort(-values)
    ordered = values[order]
    return np.argsort(-values, kind="stable") if (ordered[1:] == ordered[:-1]).any() else order


def _dot(vectors: Tensor, queries: Tensor) -> Tensor:
    heads = queries[:, None].unbind(1) if queries.ndim == 2 else queries.unbind(1)
    scores = [(vectors * head[:, None]).sum(2) for head in heads]
    return scores[0] if len(scores) == 1 else torch.stack(scores).amax(0)
