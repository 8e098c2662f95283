"""Cumulative link, against the difference it must not take."""

from __future__ import annotations

import pytest
import torch

from motet.errors import DataError
from motet.losses import cumulative_link


def test_is_the_difference_of_two_cumulative_probabilities() -> None:
    thresholds = torch.tensor([-1.5, 0.2, 2.0], dtype=torch.float64)
    scores = torch.linspace(-3, 3, 7, dtype=torch.float64)
    total = torch.zeros(7, dtype=torch.float64)
    for level in range(4):
        ends = [torch.zeros(7), *(thresholds[:, None] - scores).sigmoid(), torch.ones(7)]
        expected = (ends[level + 1] - ends[level]).double()
        found = cumulative_link(scores, torch.full((7,), level), thresholds).neg().exp()
        torch.testing.assert_close(found, expected)
        total += found
    torch.testing.assert_close(total, torch.ones_like(total))


def test_two_levels_are_the_logistic_regression() -> None:
    scores = torch.tensor([-2.0, 0.5])
    torch.testing.assert_close(
        cumulative_link(scores, torch.tensor([0, 1]), torch.zeros(1)),
        -torch.stack([-scores[0], scores[1]]).sigmoid().log(),
    )


def test_far_scores_cost_finite_losses_and_gradients() -> None:
    scores = torch.tensor([-500.0, 500.0, 500.0, -500.0], requires_grad=True)
    thresholds = torch.tensor([-1.0, 1.0], requires_grad=True)
    losses = cumulative_link(scores, torch.tensor([1, 1, 0, 2]), thresholds)
    assert losses.isfinite().all()
    gradients = torch.autograd.grad(losses.sum(), [scores, thresholds])
    assert all(gradient.isfinite().all() for gradient in gradients)
    torch.testing.assert_close(gradients[0], torch.tensor([-1.0, 1.0, 1.0, -1.0]))


def test_errors() -> None:
    with pytest.raises(DataError, match=r"labels of shape \(3,\) do not match predictions of shape \(2,\)"):
        cumulative_link(torch.zeros(2), torch.zeros(3, dtype=torch.int64), torch.zeros(1))
