"""Vectors compared in full with a query, all of them or a few; of one row the same bits, whatever is beside it."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from motet.index.base import Hits, Rows
from motet.index.best import best, trimmed
from motet.index.filter import Filter

FRACTION = 8  # where more than one row in eight is to be compared, gathering them takes longer than comparing all
GATHERED = 1 << 24  # numbers of vectors that are gathered at once, 64 MB
BLOCK = 1 << 14  # rows that are compared at once


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
    blocks = []
    size = max(1, GATHERED // max(1, rows.shape[1] * vectors.shape[1]))
    for start in range(0, len(queries), size):
        lines = slice(start, min(start + size, len(queries)))
        part = _ascending(rows[lines])
        banned = allowed.bans(part, lines)
        banned[:, 1:] |= part[:, 1:] == part[:, :-1]
        scores = compared(vectors, queries[lines], part.clamp(min=0)).masked_fill_(banned, -math.inf)
        top, columns = best(scores, k)
        blocks.append(Hits(part.gather(1, columns), top))
    return trimmed(blocks, vectors)


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


def _ascending(rows: Tensor) -> Tensor:
    if rows.device.type == "cpu":
        return torch.from_numpy(np.sort(rows.contiguous().numpy(), axis=1))  # several times faster than torch 2.13
    return rows.sort(1).values


def _dot(vectors: Tensor, queries: Tensor) -> Tensor:
    heads = queries[:, None].unbind(1) if queries.ndim == 2 else queries.unbind(1)
    scores = [(vectors * head[:, None]).sum(2) for head in heads]
    return scores[0] if len(scores) == 1 else torch.stack(scores).amax(0)
