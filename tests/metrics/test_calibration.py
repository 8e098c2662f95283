from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from motet.errors import ConfigError, DataError
from motet.evaluation.intervals import counts, interval
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


def drawn(users: int, rows: int, seed: int, gap: float) -> tuple[tuple[Tensor, ...], Tensor]:
    """Users with some rows each, whose probabilities are too low by a gap."""
    generator = torch.Generator().manual_seed(seed)
    probs = 0.5 * torch.rand(users * rows, generator=generator)
    labels = (torch.rand(users * rows, generator=generator) < probs + gap).float()
    return (probs, labels, torch.ones(users * rows)), torch.arange(users).repeat_interleave(rows)


def test_without_chance_the_figure_is_what_lies_behind_it() -> None:
    columns, users = drawn(50, 4, 0, 0.1)
    found = ECE().spread(columns, users, 50)(torch.ones(2, 50, dtype=torch.float64))
    assert found.tolist() == pytest.approx([expected_calibration_error(*columns[:2])] * 2)


@pytest.mark.parametrize("gap", [0.0, 0.02, 0.1, 0.4])
def test_bias_is_about_what_chance_adds_on_average(gap: float) -> None:
    """Of one bin whose gap is a mean of normal numbers."""
    generator, excess, found = torch.Generator().manual_seed(5), [], []
    for _ in range(400):
        error = (gap + 0.5 * torch.randn(50, generator=generator)).double()
        probs, labels = torch.full((50,), 0.5), (0.5 + error).float()
        found.append(ECE(1).bias((probs, labels, torch.ones(50)), torch.arange(50), 50))
        excess.append(abs(float(error.mean())) - gap)
    least, most = (sum(each) / len(found) for each in zip(*found, strict=True))
    assert least - 0.01 <= sum(excess) / len(excess) <= most + 0.02


def test_a_gap_that_is_the_same_for_every_user_is_no_work_of_chance() -> None:
    columns, users = (torch.full((30,), 0.25), torch.ones(30), torch.ones(30)), torch.arange(30)
    assert ECE().spread(columns, users, 30)(torch.cat([*counts(30, 9, seed=0)])).tolist() == [0.75] * 9
    assert ECE().bias(columns, users, 30) == (0, 0)


def test_a_draw_of_nobody_measures_nothing() -> None:
    columns, users = drawn(5, 2, 2, 0.1)
    assert ECE().spread(columns, users, 5)(torch.zeros(1, 5, dtype=torch.float64)).isnan().all()


@pytest.mark.parametrize("gap", [0.0, 0.05, 0.15])
def test_intervals_hold_the_truth_as_often_as_they_say(gap: float) -> None:
    drawn_counts, held, metric = torch.cat([*counts(80, 100, seed=3)]), 0, ECE()
    for seed in range(100):
        columns, users = drawn(80, 3, seed, gap)
        figures, bias = metric.spread(columns, users, 80)(drawn_counts), metric.bias(columns, users, 80)
        low, high = interval(expected_calibration_error(*columns[:2]), figures, users=80, level=0.95, bias=bias)
        held += low <= gap <= high
    assert 89 <= held <= 99


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
