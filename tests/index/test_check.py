from __future__ import annotations

import pytest
import torch

from motet.errors import ConfigError
from motet.index import ApproximateIndex, ExactIndex, approximate
from motet.index.check import check, fitted, tune


@pytest.fixture
def indexes(monkeypatch: pytest.MonkeyPatch) -> tuple[ApproximateIndex, ExactIndex, torch.Tensor]:
    monkeypatch.setattr(approximate, "FEWEST", 16)
    vectors = torch.randn(6_000, 8, generator=torch.Generator().manual_seed(0))
    return ApproximateIndex(vectors, shortlist=1), ExactIndex(vectors), vectors[:30]


def test_an_exact_index_finds_everything(indexes: tuple[ApproximateIndex, ExactIndex, torch.Tensor]) -> None:
    _, exact, queries = indexes
    figures = check(exact, queries, 5, truth=exact)
    assert figures.recall == 1
    assert 0 < figures.p50_ms <= figures.p99_ms


def test_tuning_reaches_the_recall(indexes: tuple[ApproximateIndex, ExactIndex, torch.Tensor]) -> None:
    index, exact, queries = indexes
    assert check(index, queries, 20, truth=exact).recall < 0.95
    tune(index, queries, 20, recall=0.95, truth=exact)
    assert check(index, queries, 20, truth=exact).recall >= 0.95
    assert 128 <= index.shortlist < 750


def test_cells_are_kept_where_vectors_lie_in_clusters(
    indexes: tuple[ApproximateIndex, ExactIndex, torch.Tensor],
) -> None:
    _, exact, queries = indexes
    for spread, parted in ((0.1, True), (100.0, False)):
        noise = exact.vectors * spread
        centres = 3 * torch.randn(60, 8, generator=torch.Generator().manual_seed(1)).repeat(100, 1)
        vectors = centres + noise
        truth = ExactIndex(vectors)
        queries = vectors[:40]
        index = fitted(vectors, queries, 20, recall=0.9, truth=truth)
        assert check(index, queries, 20, truth=truth).recall >= 0.9
        assert index.codes is not None
        assert (len(index.codes.cells) > 1) == parted
        assert index.probes <= len(index.codes.cells) // 8 or not parted


def test_what_users_have_seen_is_left_out_when_an_index_is_tuned(
    indexes: tuple[ApproximateIndex, ExactIndex, torch.Tensor],
) -> None:
    index, exact, queries = indexes
    best = exact.search(queries, 200).rows
    seen = [line[:size] for line, size in zip(best, range(0, 210, 7), strict=True)]  # none to all of them
    seen[-1] = torch.arange(6_000)  # so that nothing can be found
    index = ApproximateIndex(exact.vectors, cells=30)
    tune(index, queries, 20, recall=0.95, truth=exact)
    without = index.probes
    assert check(index, queries, 20, truth=exact, exclude=[*best]).recall < 0.95
    tune(index, queries, 20, recall=0.95, truth=exact, exclude=[*best])
    assert index.probes > without
    assert check(index, queries, 20, truth=exact, exclude=[*best]).recall >= 0.95
    tune(index, queries, 20, recall=0.95, truth=exact, exclude=seen)
    assert check(index, queries, 20, truth=exact, exclude=seen).recall >= 0.95


def test_heads_and_added_rows_are_tuned_for(indexes: tuple[ApproximateIndex, ExactIndex, torch.Tensor]) -> None:
    _, exact, queries = indexes
    index = ApproximateIndex(exact.vectors, cells=30)
    for part in (index, exact):
        part.add(exact.vectors[:50] * 3)
    both = torch.stack([queries, -queries], 1)
    tune(index, both, 20, recall=0.9, truth=exact)
    assert index.probes < 30
    assert check(index, both, 20, truth=exact).recall >= 0.9


def test_everything_is_found_by_comparing_everything(
    indexes: tuple[ApproximateIndex, ExactIndex, torch.Tensor],
) -> None:
    index, exact, queries = indexes
    tune(index, queries, 500, recall=1.0, truth=exact)
    assert check(index, queries, 500, truth=exact).recall == 1


def test_refuses(indexes: tuple[ApproximateIndex, ExactIndex, torch.Tensor]) -> None:
    index, exact, queries = indexes
    for recall in (0.0, 1.1):
        with pytest.raises(ConfigError, match=f"recall={recall}; it must be above 0 and at most 1"):
            tune(index, queries, 5, recall=recall, truth=exact)
    with pytest.raises(ConfigError, match="no query to tune an index with"):
        tune(index, queries[:0], 5, recall=0.9, truth=exact)
    with pytest.raises(ConfigError, match="no query to check an index with"):
        check(index, queries[:0], 5, truth=exact)
