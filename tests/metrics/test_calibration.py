from __future__ import annotations

import math

import pytest
import torch

from motet.errors import ConfigError, DataError
from motet.metrics import ECE, expected_calibration_error
from motet.testing import check_metric


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_is_the_loop_over_bins(bins: int) -> None:
    probs, labels = torch.rand(2, 300, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    probs[:3] = torch.tensor([0.0, 1.0, 1 / bins])
    labels = (labels < probs**2).double()
    error = 0.0
    for m in range(bins):
        inside = (probs > m / bins) & (probs <= (m + 1) / bins) | (probs == 0) & (m == 0)
        if inside.any():
            error += float(inside.sum()) / 300 * abs(float(labels[inside].mean() - probs[inside].mean()))
    assert expected_calibration_error(probs, labels, bins=bins) == pytest.approx(error)


def test_weights_are_copies_of_rows() -> None:
    probs, labels = torch.rand(2, 40, generator=torch.Generator().manual_seed(4))
    labels, copies = labels.round(), torch.arange(40) % 3
    ece = ECE(bins=5)
    ece.update(probs, labels, copies.float())
    repeated = expected_calibration_error(probs.repeat_interleave(copies), labels.repeat_interleave(copies), bins=5)
    assert ece.compute() == pytest.approx(repeated)


def test_contract() -> None:
    check_metric(ECE, probabilities=True)


def test_what_happens_as_often_as_it_is_said_to_is_perfect() -> None:
    assert expected_calibration_error(torch.full((4,), 0.25), torch.tensor([0.0, 0.0, 1.0, 0.0])) == 0
    assert expected_calibration_error(torch.tensor([0.75]), torch.ones(1)) == 0.25
    assert math.isnan(expected_calibration_error(torch.zeros(0), torch.zeros(0)))


def test_errors() -> None:
    with pytest.raises(DataError, match=r"the probability of row 1 is 1.25; it must lie in \[0, 1\]"):
        expected_calibration_error(torch.tensor([0.5, 1.25, -3.0]), torch.zeros(3))
    with pytest.raises(DataError, match="the label of row 2 is 5"):
        expected_calibration_error(torch.tensor([0.5, 1.0, 0.0]), torch.tensor([0.0, 0.0, 5.0]))
    with pytest.raises(ConfigError, match="bins=0; there must be at least one"):
        ECE(bins=0)
