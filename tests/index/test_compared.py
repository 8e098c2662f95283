from __future__ import annotations

import pytest
import torch

from motet.index import compared
from motet.index.compared import among
from motet.index.filter import Filter

ROWS = 300


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    """Small whole numbers: exact sums, and many equal ones."""
    return torch.randint(-2, 3, shape, generator=torch.Generator().manual_seed(seed)).float()


def filtered(exclude: list[torch.Tensor]) -> Filter:
    removed = torch.tensor([4, 7])
    device = torch.device("cpu")
    return Filter(exclude=exclude, only=None, removed=removed, queries=len(exclude), rows=ROWS, device=device)


@pytest.mark.parametrize("ends", [1, 16, 1 << 14])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_best_of_the_first_rows_that_are_allowed(
    monkeypatch: pytest.MonkeyPatch, ends: int, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(compared, "ENDS", ends)
    vectors, queries = drawn(ROWS, 5).to(dtype), drawn(4, 5, seed=1).to(dtype)
    order = torch.stack([torch.randperm(ROWS, generator=torch.Generator().manual_seed(n))[:90] for n in range(4)])
    order[:, 80:] = -1
    exclude = [torch.arange(0, ROWS, 2), order[1, :70], torch.zeros(0, dtype=torch.long), torch.arange(ROWS)]
    for limit, k in ((30, 9), (500, 9), (500, 100), (None, 9)):
        hits = among(vectors, queries, order, k, filtered(exclude), limit=limit)
        assert hits.scores.dtype == dtype
        for query, rows, scores, line, barred in zip(queries, *hits, order.tolist(), exclude, strict=True):
            left = [row for row in line if row >= 0 and row not in {4, 7, *barred.tolist()}][:limit]
            products = {row: float(vectors[row] @ query) for row in left}
            best = sorted(left, key=lambda row: (-products[row], row))[:k]
            assert rows[rows >= 0].tolist() == best
            assert scores[rows >= 0].tolist() == [products[row] for row in best]


def test_a_row_that_comes_twice_counts_once_where_there_is_no_limit() -> None:
    rows = torch.tensor([[5, 3, -1, 5, 3, 9]])
    hits = among(torch.arange(20.0)[:, None], torch.ones(1, 1), rows, 4, filtered([rows[0, :0]]))
    assert hits.rows.tolist() == [[9, 5, 3]]


@pytest.mark.parametrize("heads", [(), (3,)])
def test_a_score_is_the_same_bits_alone_as_among_others(heads: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    vectors, queries = torch.randn(ROWS, 37, generator=generator), torch.randn(4, *heads, 37, generator=generator)
    every = compared.compared(vectors, queries)
    for rows in (torch.arange(ROWS), torch.tensor([250]), torch.tensor([8, 3, 299])):
        hits = among(vectors, queries, rows.expand(4, -1), ROWS, filtered([rows[:0]] * 4))
        assert torch.equal(hits.scores, every.gather(1, hits.rows))
        lines = torch.arange(4).repeat_interleave(len(rows))
        pairs = compared.of_pairs(vectors, queries, rows.repeat(4), lines)
        assert torch.equal(pairs.view(4, -1), every[:, rows])
