from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from motet.compare.estimate import estimate, student


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_students_distribution_is_scipys(level: float) -> None:
    for freedom in (1, 1.5, 2, 3.3, 10, 200, 1e5):
        assert student(level, freedom) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-4)


def test_one_seed_knows_the_users_alone() -> None:
    draws = torch.tensor([1.0, 2.0, 3.0, math.nan])
    found = estimate(2.0, torch.tensor([2.0]), draws, 0.95)
    assert found.high - found.value == pytest.approx(1.96 * math.sqrt(2 / 3), rel=1e-3)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_seeds_that_agree_add_nothing_and_seeds_that_do_not_take_over() -> None:
    draws = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    reach = [estimate(0.0, torch.tensor([-by, 0.0, by]), draws, 0.95).high for by in (0.0, 0.1, 1.0, 10.0)]
    assert reach[0] == pytest.approx(1.96, rel=1e-3)
    assert reach == sorted(reach)
    assert reach[3] == pytest.approx(4.303 * 10 / math.sqrt(3), rel=0.05)


def test_nothing_to_measure() -> None:
    found = estimate(math.nan, torch.tensor([math.nan]), torch.full((3,), math.nan), 0.95)
    assert math.isnan(found.low)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Figures of three seeds that share their users and differ by chance of their own; the truth is 0."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.linspace(-2, 2, 41, dtype=torch.float64)
    held = {}
    for noise in (0.0, 0.5, 3.0):
        hits = 0
        for _ in range(400):
            shared, own = torch.randn(1, generator=generator), noise * torch.randn(3, generator=generator)
            by_seed = shared + own
            draws = by_seed.mean() + spread / spread.std(correction=0)
            found = estimate(float(by_seed.mean()), by_seed, draws, 0.95)
            hits += found.low <= 0 <= found.high
        held[noise] = hits / 400
    assert all(0.9 <= share <= 0.98 for share in held.values()), held
