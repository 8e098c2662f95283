"""The contract of an index."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from motet.index.base import Index, Rows


def check_index(build: Callable[[Float[Tensor, "rows width"]], Index], *, seed: int = 0, exact: bool = True) -> None:
    """Check that an index applies filters, returns k rows in order of score, and agrees with a full sort.

    Args:
        build: Builds an index of the given vectors.
        seed: Seed of the vectors and queries.
        exact: Whether it must find the best rows; if False, it may return any allowed rows.

    Raises:
        AssertionError: If the index breaks the contract.

    Example:
        >>> from motet.index import ExactIndex
        >>> check_index(ExactIndex)
    """
    generator = torch.Generator().manual_seed(seed)
    whole = partial(torch.randint, -2, 3, generator=generator)  # small whole numbers: exact sums, many ties
    vectors = whole((40, 4)).float()
    index = build(vectors)
    assert len(index) == 40, f"an index of 40 vectors has length {len(index)}"
    lines = [torch.randperm(40, generator=generator)[:n] for n in (0, 3, 37, 40, 12)]
    filters = [None, lines[1], lines[4], lines]
    queries = [whole((5, 4)).float(), whole((5, 3, 4)).float()]
    for query, k, exclude, only in product(queries, (1, 7, 50), filters, filters):
        hits = index.search(query, k, exclude=exclude, only=only)
        for line, (rows, scores) in enumerate(zip(*hits, strict=True)):
            allowed = _line(only, line, set(range(40))) - _line(exclude, line, set())
            _check_line(rows, scores, query[line] @ vectors.T, k, allowed, exact)


def _line(lines: Rows | None, query: int, default: set[int]) -> set[int]:
    if lines is None:
        return default
    return set((lines if isinstance(lines, Tensor) else lines[query]).tolist())


def _check_line(rows: Tensor, scores: Tensor, dots: Tensor, k: int, allowed: set[int], exact: bool) -> None:
    """Compare one answer with a sort in plain Python."""
    every = dots if dots.ndim == 1 else dots.amax(0)
    size = min(k, len(allowed))
    found = rows[:size].tolist()
    assert (rows[size:] == -1).all(), f"rows {rows.tolist()} for {size} results; pad with -1"
    assert scores[size:].isneginf().all(), "pad the scores with minus infinity"
    assert set(found) <= allowed, f"rows {sorted(set(found) - allowed)} should be filtered out"
    assert len(set(found)) == size, f"rows {found} are not {size} distinct rows"
    assert torch.equal(scores[:size], every[rows[:size]]), "a score is not the dot product"
    assert found == sorted(found, key=lambda row: (-every[row], row)), (
        "not in descending order of score, ties by ascending row"
    )
    if exact:
        best = sorted(allowed, key=lambda row: (-every[row], row))[:size]
        assert found == best, f"found {found}, but a sort finds {best}"
