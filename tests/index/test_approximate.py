from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from motet.errors import ConfigError
from motet.index import ApproximateIndex, ExactIndex, approximate, compared
from motet.index.codes import Codes
from motet.testing import check_index

ROWS = 3_000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes for catalogues of any size, where 50 rows asked for are few."""
    monkeypatch.setattr(approximate, "FEWEST", 16)


def drawn(rows: int, width: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def found(index: ApproximateIndex | ExactIndex, queries: torch.Tensor, k: int, **filters: object) -> torch.Tensor:
    return index.search(queries, k, **filters).rows


@pytest.mark.parametrize(("fraction", "gathered", "cells"), [(8, 1 << 24, 1), (0, 1 << 24, 1), (0, 1, 5)])
def test_the_contract(monkeypatch: pytest.MonkeyPatch, fraction: int, gathered: int, cells: int) -> None:
    monkeypatch.setattr(approximate, "FRACTION", fraction)
    monkeypatch.setattr(compared, "GATHERED", gathered)
    check_index(lambda vectors: ApproximateIndex(vectors, cells=cells, probes=1, shortlist=4), exact=False)


def test_few_rows_are_all_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "FEWEST", 10_000)
    check_index(ApproximateIndex)


@pytest.mark.parametrize("width", [6, 7])
def test_finds_nearly_what_a_sort_finds(width: int) -> None:
    vectors, queries = drawn(ROWS, width), drawn(20, width, seed=1)
    index = ApproximateIndex(vectors, shortlist=300)
    hits, truth = index.search(queries, 10), ExactIndex(vectors).search(queries, 10)
    shared = [len({*mine} & {*theirs}) for mine, theirs in zip(hits.rows.tolist(), truth.rows.tolist(), strict=True)]
    assert sum(shared) > 0.95 * 10 * len(queries)
    torch.testing.assert_close(hits.scores[:, 0], truth.scores[:, 0])


def test_more_cells_looked_at_find_more_and_all_find_what_one_cell_finds() -> None:
    vectors, queries = drawn(ROWS), drawn(20, seed=1)
    truth = found(ExactIndex(vectors), queries, 10)
    shares = []
    for probes in (1, 4, 20):
        rows = found(ApproximateIndex(vectors, cells=20, probes=probes, shortlist=300), queries, 10)
        shares.append(torch.stack([torch.isin(b, a).float().mean() for a, b in zip(rows, truth, strict=True)]).mean())
    assert shares[0] < shares[1] < shares[2]
    assert shares[2] > 0.95


def test_several_heads_count_by_the_best() -> None:
    vectors, queries = drawn(ROWS), drawn(10, seed=1).view(5, 2, 6)
    both = ApproximateIndex(vectors, shortlist=300).search(queries, 5)
    assert (both.rows == ExactIndex(vectors).search(queries, 5).rows).float().mean() > 0.9


def test_where_few_rows_are_allowed_nothing_is_missed() -> None:
    vectors, queries = drawn(ROWS), drawn(3, seed=1)
    only = torch.arange(0, ROWS, 30)
    lines = [only, only[:5], only[:0]]
    for allowed in (only, lines):
        mine = found(ApproximateIndex(vectors, shortlist=1), queries, 20, only=allowed, exclude=torch.tensor([0, 30]))
        assert torch.equal(mine, found(ExactIndex(vectors), queries, 20, only=allowed, exclude=torch.tensor([0, 30])))


def test_a_row_named_twice_in_only_comes_once() -> None:
    rows = found(ApproximateIndex(drawn(ROWS)), drawn(1, seed=1), 5, only=torch.tensor([7, 7, 3]))
    assert sorted(rows[0].tolist()) == [3, 7]


def test_where_filters_take_the_shortlist_all_rows_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approximate, "FRACTION", 0)
    vectors, queries = drawn(ROWS), drawn(2, seed=1)
    index = ApproximateIndex(vectors, shortlist=1)
    everything = torch.arange(ROWS)
    assert found(index, queries, 5, exclude=everything).shape == (2, 0)
    assert found(index, queries, 5, exclude=[everything[:-3], everything[:0]])[0].tolist().count(-1) == 2


def test_added_rows_are_found_and_removed_ones_are_not() -> None:
    vectors, query = drawn(ROWS), torch.ones(1, 6)
    for index in (ApproximateIndex(vectors, shortlist=50), ExactIndex(vectors)):
        first = found(index, query, 3)[0]
        index.remove(first[:1])
        assert torch.equal(found(index, query, 2)[0], first[1:])
        index.add(torch.full((1, 6), 9.0))
        assert len(index) == ROWS + 1
        assert found(index, query, 2)[0].tolist() == [ROWS, int(first[1])]
        index.remove(torch.tensor([ROWS]))
        assert found(index, query, 2, only=torch.tensor([ROWS, int(first[1])]))[0].tolist() == [int(first[1])]


@pytest.mark.parametrize("cells", [1, 4])
def test_as_many_rows_are_compared_whatever_is_excluded(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    index, query, sizes = ApproximateIndex(drawn(ROWS), cells=cells, shortlist=40), drawn(1, seed=1), []
    whole = compared._best
    monkeypatch.setattr(compared, "_best", lambda rows, *others: sizes.append(len(rows)) or whole(rows, *others))
    first = found(index, query, 32)[0]
    for exclude in (None, first, drawn(ROWS)[:, 0].argsort()[:100]):
        assert found(index, query, 9, exclude=exclude).shape == (1, 9)
    index.add(drawn(3, seed=2))
    found(index, query, 9, exclude=first)
    assert sizes == [40, 40, 40, 40, 43]


def test_no_query_has_no_answer() -> None:
    for index in (ApproximateIndex(drawn(ROWS), shortlist=40), ExactIndex(drawn(ROWS))):
        assert found(index, drawn(0), 9).shape == (0, 0)


@pytest.mark.parametrize("cells", [1, 4])
def test_a_query_is_answered_alone_as_among_others(cells: int) -> None:
    vectors, queries = drawn(ROWS), drawn(5, seed=1)
    index = ApproximateIndex(vectors, cells=cells, shortlist=40)
    lines = [torch.arange(start, ROWS, 60 + start) for start in range(5)]
    for only in (None, lines):
        hits = index.search(queries, 9, exclude=lines[::-1], only=only)
        for line, (rows, scores) in enumerate(zip(*hits, strict=True)):
            own = None if only is None else only[line : line + 1]
            alone = index.search(queries[line : line + 1], 9, exclude=[lines[4 - line]], only=own)
            assert torch.equal(alone.rows[0], rows[rows >= 0])
            assert torch.equal(alone.scores[0], scores[rows >= 0])


def test_a_second_code_finds_more_than_one_alone() -> None:
    vectors, queries = drawn(ROWS, 16), drawn(20, 16, seed=1)
    codes = ApproximateIndex(vectors).codes
    assert codes is not None
    first = codes.codes.clone()
    first[:, 4:] = first[:, 4:].roll(1, 0)  # the second code of another row
    other = Codes(cells=codes.cells, centroids=codes.centroids, cell=codes.cell, codes=first)
    truth = found(ExactIndex(vectors), queries, 10)
    shares = [
        np.mean([np.isin(b, a).mean() for a, b in zip(each.nearest(queries, 20, 1), truth, strict=True)])
        for each in (codes, other)
    ]
    assert shares[0] > shares[1] + 0.1


def test_the_same_seed_gives_the_same_answers() -> None:
    vectors, queries = drawn(ROWS), drawn(5, seed=1)
    one, other = (ApproximateIndex(vectors, cells=4, probes=2, shortlist=20) for _ in range(2))
    for index in (other, pickle.loads(pickle.dumps(one))):
        for mine, theirs in zip(index.search(queries, 9), one.search(queries, 9), strict=True):
            assert torch.equal(mine, theirs)


def test_refuses() -> None:
    for name in ("cells", "probes", "shortlist"):
        with pytest.raises(ConfigError, match=f"{name}=0; it must be at least 1"):
            ApproximateIndex(drawn(20), **{name: 0})
    with pytest.raises(ConfigError, match="cells=21 for 20 vectors; take at most one for each"):
        ApproximateIndex(drawn(20), cells=21)
    for index in (ApproximateIndex(drawn(20)), ExactIndex(drawn(20))):
        with pytest.raises(ConfigError, match="new vectors are 5 wide and those of the index 6"):
            index.add(drawn(2, 5))
        with pytest.raises(ConfigError, match="'remove' names row 20; the index holds rows 0 to 19"):
            index.remove(torch.tensor([20]))
