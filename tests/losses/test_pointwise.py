"""Pointwise errors."""

from __future__ import annotations

import pytest
import torch

from motet.errors import ConfigError, DataError
from motet.losses.pointwise import PointwiseError, absolute, huber, pointwise_error, squared


@pytest.mark.parametrize(
    ("error", "expected"), [(squared, [0.0, 0.25, 9.0]), (absolute, [0.0, 0.5, 3.0]), (huber, [0.0, 0.125, 2.5])]
)
def test_by_hand(error: PointwiseError, expected: list[float]) -> None:
    found = error(torch.tensor([1.0, 2.0, 5.0]), torch.tensor([1.0, 2.5, 2.0]))
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize("error", [squared, absolute, huber])
def test_a_column_against_a_row_is_refused_and_not_broadcast(error: PointwiseError) -> None:
    with pytest.raises(DataError, match=r"labels of shape \(3, 1\) do not match predictions of shape \(3,\)"):
        error(torch.zeros(3), torch.zeros(3, 1))


def test_names() -> None:
    assert pointwise_error("huber") is huber
    with pytest.raises(ConfigError, match="error='mse' is not one of 'squared', 'absolute', 'huber'"):
        pointwise_error("mse")
