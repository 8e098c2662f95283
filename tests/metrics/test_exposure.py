from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from motet.metrics import coverage, exposures, gini


@pytest.fixture
def lists() -> Tensor:
    """Of 9 users, of up to 5 of 20 items."""
    generator = torch.Generator().manual_seed(1)
    lines = torch.stack([torch.randperm(20, generator=generator)[:5] + 1 for _ in range(9)])
    lines[3, 2:] = 0
    lines[4] = 0
    return lines


def test_coverage_counts_what_anyone_gets(lists: Tensor) -> None:
    different = {item for line in lists.tolist() for item in line if item}
    assert coverage(lists, 20) == len(different) / 20
    assert coverage(torch.arange(1, 21)[None], 20) == 1
    assert coverage(torch.zeros(3, 5, dtype=torch.int64), 20) == 0


def test_gini_is_the_mean_difference_of_two_items(lists: Tensor) -> None:
    counts = exposures(lists, 20).tolist()
    assert sum(counts) == int((lists > 0).sum())
    difference = sum(abs(one - other) for one in counts for other in counts) / 20**2
    by_definition = difference / (2 * sum(counts) / 20)  # half the relative mean difference, at most (n - 1) / n
    assert gini(torch.tensor(counts)) == pytest.approx(by_definition * 20 / 19)


def test_gini_does_not_depend_on_the_number_of_lists_or_the_order_of_items(lists: Tensor) -> None:
    counts = exposures(lists, 20)
    assert gini(counts * 7) == pytest.approx(gini(counts))
    assert gini(counts.flip(0)) == gini(counts)


def test_nothing_to_recommend_is_nan() -> None:
    nobody = torch.zeros(0, 5, dtype=torch.int64)
    assert math.isnan(coverage(nobody, 20))
    assert math.isnan(gini(exposures(nobody, 20)))
    assert math.isnan(gini(torch.tensor([4])))


def test_gini_takes_shares_as_well_as_counts() -> None:
    shares = torch.tensor([0.1, 0.2, 0.2])
    assert gini(shares) == pytest.approx(gini(10 * shares))
