from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from motet.errors import DataError
from motet.metrics import MAE, RMSE, PointMetric
from motet.testing import check_metric

PAIRS = [(RMSE, root_mean_squared_error), (MAE, mean_absolute_error)]


@pytest.mark.parametrize(("kind", "reference"), PAIRS)
def test_is_what_scikit_learn_says(kind: type[PointMetric], reference: object) -> None:
    scores, labels, weights = torch.rand(3, 40, generator=torch.Generator().manual_seed(0))
    plain, weighted = kind(), kind()
    plain.update(scores, labels)
    weighted.update(scores, labels, weights)
    assert plain.compute() == pytest.approx(reference(labels, scores))
    assert weighted.compute() == pytest.approx(reference(labels, scores, sample_weight=weights))


@pytest.mark.parametrize("kind", [RMSE, MAE])
def test_contract(kind: type[PointMetric]) -> None:
    check_metric(kind)


@pytest.mark.parametrize("kind", [RMSE, MAE])
def test_missing_label_of_weight_zero_is_not_looked_at(kind: type[PointMetric]) -> None:
    metric = kind()
    metric.update(torch.tensor([1.0, 5.0]), torch.tensor([2.0, torch.nan]), torch.tensor([1.0, 0.0]))
    assert metric.compute() == 1


@pytest.mark.parametrize("kind", [RMSE, MAE])
def test_nan_that_counts_is_refused(kind: type[PointMetric]) -> None:
    with pytest.raises(DataError, match="row 1 has a score or a label that is NaN; give such rows weight 0"):
        kind().update(torch.tensor([1.0, torch.nan]), torch.tensor([2.0, 2.0]))


def test_parts_add_up_in_double_precision() -> None:
    metric = MAE()
    metric.update(torch.ones(1), torch.zeros(1), torch.zeros(1))
    assert math.isnan(metric.compute())
    for _ in range(1000):
        metric.update(torch.full((1000,), 0.1, dtype=torch.float64), torch.zeros(1000, dtype=torch.float64))
    assert metric.compute() == pytest.approx(0.1, rel=1e-12)
