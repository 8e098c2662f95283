"""ListNDCG against scikit-learn, and its contract."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from sklearn.metrics import ndcg_score

from motet.errors import ConfigError
from motet.metrics import ListNDCG
from motet.testing import check_metric


@pytest.mark.parametrize("k", [None, 1, 3])
def test_contract(k: int | None) -> None:
    check_metric(partial(ListNDCG, k))


@pytest.mark.parametrize("k", [None, 2, 5])
def test_it_is_scikit_learns_over_each_list(k: int | None) -> None:
    generator = torch.Generator().manual_seed(3)
    scores, labels = torch.rand(40, generator=generator), torch.randint(4, (40,), generator=generator).float()
    queries = torch.randint(6, (40,), generator=generator)
    metric = ListNDCG(k)
    metric.update(scores, labels, queries)
    figures = [
        ndcg_score([(2 ** labels[queries == query] - 1).tolist()], [scores[queries == query].tolist()], k=k)
        for query in range(6)
    ]
    assert metric.compute() == pytest.approx(sum(figures) / 6)


def test_equal_scores_are_no_order_and_lists_of_zeros_are_left_out() -> None:
    metric = ListNDCG(1)
    metric.update(torch.zeros(2), torch.tensor([0.0, 1.0]), torch.tensor([3, 3]))
    assert metric.compute() == 0
    metric.update(torch.rand(2), torch.zeros(2), torch.tensor([4, 4]))
    assert metric.compute() == 0
    metric.update(torch.rand(1), torch.ones(1), torch.tensor([5]), torch.tensor([3.0]))
    assert metric.compute() == pytest.approx(3 / 4)


def test_rows_of_weight_zero_may_hold_no_label() -> None:
    metric = ListNDCG()
    metric.update(torch.rand(2), torch.tensor([torch.nan, 2.0]), torch.tensor([1, 1]), torch.tensor([0.0, 1.0]))
    assert metric.compute() == 1
    empty = ListNDCG()
    empty.update(torch.rand(1), torch.zeros(1), torch.tensor([1]))
    assert math.isnan(empty.compute())


def test_no_list_is_shorter_than_one() -> None:
    with pytest.raises(ConfigError, match="k=0; a list holds at least 1 item"):
        ListNDCG(0)
