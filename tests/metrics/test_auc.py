from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import roc_auc_score

from motet.errors import DataError
from motet.metrics import AUC
from motet.testing import check_metric


def auc(*columns: torch.Tensor) -> float:
    metric = AUC()
    metric.update(*columns)
    return metric.compute()


@pytest.mark.parametrize("levels", [2, 5, 1_000_000])
def test_is_what_scikit_learn_says_ties_and_weights_included(levels: int) -> None:
    scores, labels, weights = torch.rand(3, 400, generator=torch.Generator().manual_seed(1))
    scores, labels = (scores * levels).floor(), (labels < 0.2).float()
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert auc(scores, labels, weights) == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights))


def test_contract() -> None:
    check_metric(AUC, probabilities=True)


def test_a_label_between_is_a_share_of_a_positive() -> None:
    scores, labels = torch.tensor([0.1, 0.5, 0.5, 0.9]), torch.tensor([0.2, 1.0, 0.0, 0.7])
    shares = auc(scores.repeat(2), torch.tensor([1.0] * 4 + [0.0] * 4), torch.cat([labels, 1 - labels]))
    assert auc(scores, labels) == pytest.approx(shares)


def test_only_the_order_counts_and_a_constant_is_chance() -> None:
    scores, labels = torch.randn(50, generator=torch.Generator().manual_seed(2)), torch.arange(50) % 3 == 0
    assert auc(scores, labels.float()) == auc(5 * scores.double() - 7, labels.float())
    assert auc(torch.ones(50), labels.float()) == 0.5


def test_one_class_has_no_area() -> None:
    assert math.isnan(auc(torch.tensor([0.3, 0.4]), torch.ones(2)))
    assert math.isnan(auc(torch.tensor([0.3]), torch.zeros(1)))


def test_errors() -> None:
    with pytest.raises(DataError, match=r"the label of row 1 is 4; it must lie in \[0, 1\]"):
        auc(torch.zeros(2), torch.tensor([1.0, 4.0]))
    assert auc(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([1.0, 0.0, torch.nan]), torch.tensor([1.0, 1.0, 0.0])) == 1
    with pytest.raises(DataError, match="row 1 has a score or a label that is NaN"):
        auc(torch.zeros(2), torch.tensor([1.0, torch.nan]))
