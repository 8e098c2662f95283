from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from motet.index import ExactIndex, exact, rounded
from motet.index.base import Rows
from motet.index.compared import compared
from motet.index.filter import Filter
from motet.index.rounded import Rounded
from motet.testing import check_index

ROWS, WIDTH, K = 4_000, 8, 5


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounded vectors of catalogues of any size, on any processor."""
    monkeypatch.setattr(rounded, "FEWEST", 64)
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _outlier(vectors: Tensor) -> Tensor:
    vectors[77] *= 1e4
    return vectors


CASES: dict[str, Callable[[Tensor], Tensor]] = {
    "normal": lambda vectors: vectors,
    "whole": lambda vectors: vectors.round(),
    "with a bias": lambda vectors: torch.cat([vectors[:, 1:], 30 + 3 * vectors[:, :1]], 1),
    "a constant column": lambda vectors: vectors.index_fill(1, torch.tensor([2]), 7.0),
    "lengths apart": lambda vectors: vectors * (2 * vectors[:, :1]).exp(),
    "an outlier": _outlier,
    "nearly equal": lambda vectors: 1 + 1e-6 * vectors,
    "zeros": torch.zeros_like,
    "tiny": lambda vectors: vectors * 1e-30,
    "huge": lambda vectors: vectors * 3e17,
}


def sorted_in_full(vectors: Tensor, queries: Tensor, k: int, banned: list[set[int]]) -> list[list[int]]:
    lines = compared(vectors, queries).tolist()
    return [
        sorted(set(range(len(vectors))) - line, key=lambda row: (-scores[row], row))[:k]
        for scores, line in zip(lines, banned, strict=True)
    ]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("heads", [(), (3,)])
def test_finds_what_a_sort_finds_bit_for_bit(
    monkeypatch: pytest.MonkeyPatch, case: str, heads: tuple[int, ...]
) -> None:
    monkeypatch.setattr(rounded, "PRODUCTS", 3 * 3 * ROWS)
    monkeypatch.setattr(rounded, "TOLD", 2 * (rounded.ROWS + 4 * K))  # three queries at once
    monkeypatch.setattr(exact, "ALONE", 0 if heads else 8)
    vectors = CASES[case](drawn(ROWS + 7, WIDTH))
    queries = torch.cat(
        [vectors[:2].view(2, *[1] * len(heads), WIDTH).expand(2, *heads, WIDTH), drawn(2, *heads, WIDTH)]
    )
    index = ExactIndex(vectors)
    exclude = [torch.arange(9), torch.arange(ROWS, ROWS + 7), torch.tensor([5]), torch.arange(0)]
    hits = index.search(queries, K, exclude=exclude)
    assert hits.rows.tolist() == sorted_in_full(vectors, queries, K, [{*line.tolist()} for line in exclude])
    assert torch.equal(hits.scores, compared(vectors, queries).gather(1, hits.rows))


@pytest.mark.usefixtures("bfloat16_products")
def test_finds_the_same_where_float32_is_multiplied_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounded, "SHARE", 10**9)  # all rows are compared in full
    vectors, queries = 1 + drawn(ROWS, 64) / 100, drawn(30, 64, seed=1)
    hits = ExactIndex(vectors).search(queries, K)
    assert hits.rows.tolist() == sorted_in_full(vectors, queries, K, [set()] * 30)


@given(seed=st.integers(0, 2**16), width=st.integers(8, 40), scale=st.floats(-20, 20), shift=st.floats(-3, 3))
@settings(max_examples=20, deadline=None)
def test_no_row_within_the_bound_is_left_aside(seed: int, width: int, scale: float, shift: float) -> None:
    vectors = (drawn(640, width, seed=seed) + shift) * 2.0**scale
    query = drawn(1, width, seed=seed + 1)
    nothing = Filter(exclude=None, only=None, removed=torch.arange(0), queries=1, rows=640, device=vectors.device)
    (reached,) = Rounded.of(vectors).reaching(query, 1, nothing)
    scores = compared(vectors, query)[0]
    assert not reached.few.all() or {*(scores == scores.max()).nonzero()[:, 0].tolist()} <= {*reached.row.tolist()}


def test_most_rows_are_left_aside() -> None:
    vectors, query = drawn(64_000, 32), drawn(1, 32, seed=1)
    nothing = Filter(exclude=None, only=None, removed=torch.arange(0), queries=1, rows=64_000, device=vectors.device)
    (reached,) = Rounded.of(vectors).reaching(query, 50, nothing)
    assert reached.few.all()
    assert 50 <= len(reached.row) < 400


@pytest.mark.parametrize("share", [4, 10**9])
def test_filters(monkeypatch: pytest.MonkeyPatch, share: int) -> None:
    monkeypatch.setattr(rounded, "SHARE", share)
    vectors, queries = drawn(ROWS, WIDTH), drawn(2, WIDTH, seed=1)
    index, everything = ExactIndex(vectors), torch.arange(ROWS)
    cases: list[tuple[Rows | None, Rows | None, list[set[int]]]] = [
        (everything[:-3], None, 2 * [{*range(ROWS - 3)}]),
        ([everything, everything[::2]], None, [{*range(ROWS)}, {*range(0, ROWS, 2)}]),
        (None, everything[1::2], 2 * [{*range(0, ROWS, 2)}]),
        (
            everything[:9],
            [everything[:30], everything[:2_000]],
            [{*range(30, ROWS), *range(9)}, {*range(2_000, ROWS), *range(9)}],
        ),
        (everything[:9], everything[:20], 2 * [{*range(9), *range(20, ROWS)}]),
    ]
    for exclude, only, banned in cases:
        found = [
            [row for row in line if row >= 0]
            for line in index.search(queries, K, exclude=exclude, only=only).rows.tolist()
        ]
        assert found == sorted_in_full(vectors, queries, K, banned)


def test_added_rows_are_rounded_once_they_fill_a_group_and_removed_ones_are_not_found() -> None:
    vectors, queries = drawn(ROWS, WIDTH), drawn(2, WIDTH, seed=1)
    index = ExactIndex(vectors[:1_000])
    for part in vectors[1_000:].split(1_111):
        index.add(part)
        assert index.rounded is not None
        assert len(index) - len(index.rounded) < 64
    index.remove(index.search(queries, 1).rows[0])
    assert index.search(queries, K).rows.tolist() == sorted_in_full(
        vectors, queries, K, 2 * [{*index.removed.tolist()}]
    )


@pytest.mark.parametrize("rows", [1, 40])
def test_queries_with_many_rows_are_compared_with_all(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(rounded, "ROWS", rows)
    vectors, queries = drawn(ROWS, WIDTH), drawn(30, WIDTH, seed=1)
    hits = ExactIndex(vectors).search(queries, 1)
    assert hits.rows.tolist() == sorted_in_full(vectors, queries, 1, [set()] * 30)


def test_no_query_has_no_answer() -> None:
    index = ExactIndex(drawn(ROWS, WIDTH))
    assert index.search(torch.zeros(0, WIDTH), K).rows.shape == (0, 0)
    assert index.search(torch.zeros(0, 3, WIDTH), K).rows.shape == (0, 0)


def test_the_contract() -> None:
    check_index(lambda vectors: ExactIndex.of(vectors, Rounded.of(vectors)))


def test_a_copy_is_kept_only_where_it_is_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ExactIndex(drawn(64, 8)).rounded is not None
    assert ExactIndex(drawn(63, 8)).rounded is None
    assert ExactIndex(drawn(64, 7)).rounded is None
    assert ExactIndex(drawn(64, 8).double()).rounded is None
    assert ExactIndex(drawn(64, 8), rounded=False).rounded is None
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: False)
    assert ExactIndex(drawn(64, 8)).rounded is None


@pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="this processor is not asked to multiply whole numbers")
def test_sums_of_the_largest_products_are_exact() -> None:
    row = torch.full((1, 256), 127, dtype=torch.int8)
    signs = torch.cat([row, -row])
    assert torch._int_mm(signs, signs.T).tolist() == [[256 * 127**2, -256 * 127**2], [-256 * 127**2, 256 * 127**2]]
