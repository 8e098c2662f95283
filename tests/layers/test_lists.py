"""Lists: grouping, pairing and ranking against plain loops."""

from __future__ import annotations

import math

import pytest
import torch

from motet.errors import DataError
from motet.layers.lists import Lists, discounts, gains


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (30,), generator=generator).float()
    labels[torch.rand(30, generator=generator) < 0.2] = torch.nan
    return labels, torch.randint(3, 8, (30,), generator=generator)


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_those_of_a_double_loop(seed: int) -> None:
    labels, groups = drawn(seed)
    lists = Lists.of(labels, groups)
    better, worse = (lists.rows[side].tolist() for side in lists.pairs())
    expected = [(i, j) for i in range(30) for j in range(30) if groups[i] == groups[j] and labels[i] > labels[j]]
    assert sorted(zip(better, worse, strict=True)) == sorted(expected)


def test_totals_and_starts_by_list() -> None:
    labels, groups = torch.tensor([1.0, 2.0, torch.nan, 0.0]), torch.tensor([9, 4, 9, 9])
    lists = Lists.of(labels, groups)
    assert lists.rows.tolist() == [1, 3, 0]
    assert lists.starts.tolist() == [0, 1]
    assert lists.total(labels[lists.rows]).tolist() == [2.0, 1.0]


def test_no_rows() -> None:
    lists = Lists.of(torch.tensor([torch.nan]), torch.tensor([1]))
    assert len(lists.pairs()[0]) == 0
    assert len(lists.total(torch.zeros(0))) == 0
    assert len(discounts(lists.number, torch.zeros(0), torch.zeros(0))) == 0


def test_discounts_of_equal_scores_go_by_the_lower_label_and_are_shared_by_what_is_equal_in_both() -> None:
    number = torch.tensor([0, 0, 0, 0, 1])
    scores, labels = torch.tensor([1.0, 1.0, 1.0, 5.0, 0.0]), torch.tensor([3.0, 2.0, 3.0, 0.0, 1.0])
    worth = [1 / math.log2(1 + rank) for rank in (1, 2, 3, 4)]
    shared = (worth[2] + worth[3]) / 2
    assert discounts(number, scores, labels).tolist() == pytest.approx([shared, worth[1], shared, 1, 1])
    assert discounts(number, scores, labels, 2).tolist() == pytest.approx([0, worth[1], 0, 1, 1])


@pytest.mark.parametrize("label", [-1.0, 1001.0])
def test_a_grade_has_bounds(label: float) -> None:
    assert gains(torch.tensor([0.0, 3.0])).tolist() == [0, 7]
    with pytest.raises(DataError, match=rf"label {label:g} is not a grade; .* labels must lie between 0 and 1000"):
        gains(torch.tensor([1.0, label]))
