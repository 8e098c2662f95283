from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from motet.errors import ConfigError, DataError
from motet.index import ExactIndex, exact
from motet.index.best import FEW, best
from motet.testing import check_index


def reference(scores: list[float], k: int, allowed: set[int]) -> list[int]:
    return sorted(allowed, key=lambda row: (-scores[row], row))[:k]


def test_the_contract() -> None:
    check_index(ExactIndex)


def test_the_contract_in_tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "QUERIES", 2)
    monkeypatch.setattr(exact, "SCORES", 60)
    check_index(ExactIndex)


def test_empty_index_and_no_queries() -> None:
    assert ExactIndex(torch.zeros(0, 3)).search(torch.zeros(2, 3), 5).rows.shape == (2, 0)
    assert ExactIndex(torch.zeros(4, 3)).search(torch.zeros(0, 3), 5).rows.shape == (0, 0)


@given(
    scores=st.lists(st.lists(st.integers(-2, 2), min_size=6, max_size=6), min_size=1, max_size=4),
    k=st.integers(1, 8),
    copies=st.sampled_from([1, FEW]),
)
def test_best_takes_the_lowest_column_among_equals(scores: list[list[float]], k: int, copies: int) -> None:
    values, columns = best(torch.tensor(scores, dtype=torch.float32).repeat(copies, 1), k)
    for line, row, value in zip(scores, columns[-len(scores) :].tolist(), values[-len(scores) :].tolist(), strict=True):
        assert row == reference(line, k, set(range(6)))
        assert value == [line[column] for column in row]


@given(st.integers(0, 2**16), st.integers(1, 3), st.integers(500, 1_000))
def test_best_of_wide_lines_is_the_best(seed: int, k: int, width: int) -> None:
    scores = torch.randint(-3, 4, (2, width), generator=torch.Generator().manual_seed(seed)).float()
    scores[:, ::3] = -math.inf
    for line, row in zip(scores.tolist(), best(scores, k)[1].tolist(), strict=True):
        assert row == reference(line, k, set(range(width)))


def test_best_leaves_minus_infinity_for_last() -> None:
    scores = torch.tensor([[-math.inf, -math.inf, 1.0, -math.inf]])
    assert best(scores, 3)[1][0, 0] == 2


@pytest.mark.parametrize(
    ("queries", "k", "filters", "words"),
    [
        (torch.zeros(1, 2), 0, {}, "k is 0; ask for at least 1 row"),
        (torch.zeros(1, 3), 1, {}, "queries are 3 wide and the vectors of the index 2"),
        (torch.zeros(1, 2), 1, {"exclude": torch.tensor([4])}, "'exclude' names row 4; the index holds rows 0 to 3"),
        (torch.zeros(1, 2), 1, {"only": [torch.tensor([-1])]}, "'only' names row -1; the index holds rows 0 to 3"),
        (torch.zeros(2, 2), 1, {"only": [torch.tensor([1])]}, "'only' has 1 lines for 2 queries"),
    ],
)
def test_refuses(queries: Tensor, k: int, filters: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ExactIndex(torch.zeros(4, 2)).search(queries, k, **filters)


def test_refuses_vectors_that_are_not_finite() -> None:
    vectors = torch.tensor([[0.0], [math.nan]])
    with pytest.raises(DataError, match=r"index vector 1 is not finite"):
        ExactIndex(vectors)
    with pytest.raises(DataError, match=r"query 1 is not finite"):
        ExactIndex(torch.zeros(3, 1)).search(vectors, 1)


@given(seed=st.integers(0, 999), rows=st.integers(1, 200), k=st.integers(1, 9), values=st.integers(1, 40))
def test_blocks_find_what_a_sort_finds_ties_included(seed: int, rows: int, k: int, values: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randint(values, (rows, 1), generator=generator).float()
    queries = torch.tensor([[1.0], [-1.0], [0.0]])
    exclude = [torch.randint(rows, (count,), generator=generator) for count in (0, 3, rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("motet.index.exact.SCORES", 3 * 7)
        found = ExactIndex(vectors).search(queries, k, exclude=exclude)
    for line, scores in enumerate(queries @ vectors.T):
        allowed = [row for row in range(rows) if row not in exclude[line].tolist()]
        wanted = sorted(allowed, key=lambda row: (-float(scores[row]), row))[:k]
        assert [row for row in found.rows[line].tolist() if row >= 0] == wanted
