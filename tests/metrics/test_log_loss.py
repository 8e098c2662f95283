from __future__ import annotations

import pytest
import torch
from sklearn.metrics import log_loss

from motet.errors import DataError
from motet.metrics import LogLoss
from motet.testing import check_metric


def loss(*columns: torch.Tensor) -> float:
    metric = LogLoss()
    metric.update(*columns)
    return metric.compute()


def test_is_what_scikit_learn_says() -> None:
    probs, labels, weights = torch.rand(3, 100, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = (labels < 0.3).double()
    assert loss(probs, labels) == pytest.approx(log_loss(labels, probs))
    assert loss(probs, labels, weights) == pytest.approx(log_loss(labels, probs, sample_weight=weights))
    probs[:3], labels[:3] = torch.tensor([0.0, 1.0, 1.0]).double(), torch.tensor([1.0, 0.0, 1.0]).double()
    assert loss(probs, labels) == pytest.approx(log_loss(labels, probs))


def test_contract() -> None:
    check_metric(LogLoss, probabilities=True)


def test_one_row_costs_at_most_16() -> None:
    assert loss(torch.zeros(1), torch.ones(1)) == pytest.approx(15.94, abs=0.01)


def test_errors() -> None:
    with pytest.raises(DataError, match=r"the probability of row 0 is 1.5; it must lie in \[0, 1\]"):
        loss(torch.tensor([1.5, -1.0]), torch.ones(2))
    with pytest.raises(DataError, match="the label of row 1 is -1"):
        loss(torch.tensor([0.5, 0.5]), torch.tensor([1.0, -1.0]))
