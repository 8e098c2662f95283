from __future__ import annotations

import math

import pytest
import torch

from motet.errors import DataError
from motet.metrics.mean import Mean, same_shape


def test_nothing_has_no_mean() -> None:
    mean = Mean()
    mean.update(torch.tensor([1.0]), torch.tensor([0.0]))
    assert math.isnan(mean.compute())


def test_parts_add_up_in_double_precision() -> None:
    mean = Mean()
    for _ in range(1000):
        mean.update(torch.full((1000,), 0.1, dtype=torch.float64))
    assert mean.compute() == pytest.approx(0.1, rel=1e-12)


@pytest.mark.parametrize("weight", [-1.0, math.nan])
def test_bad_weight_is_refused(weight: float) -> None:
    with pytest.raises(DataError, match=f"the weight of row 1 is {weight}; weights must be 0 or more"):
        Mean().update(torch.ones(2), torch.tensor([1.0, weight]))


def test_column_against_table_is_refused() -> None:
    with pytest.raises(DataError, match=r"scores have shape \[3\] and labels \[3, 1\]; both must be \[rows\]: squeeze"):
        same_shape("scores", torch.ones(3), "labels", torch.ones(3, 1))
