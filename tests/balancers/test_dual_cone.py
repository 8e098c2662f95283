"""Projections onto the dual cone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.balancers.dual_cone import dual_cone_weights


@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 9), st.booleans())
def test_the_conditions_of_the_minimum_hold(seed: int, tasks: int, width: int, scaled: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    gradients = torch.randn(tasks, width, generator=generator, dtype=torch.float64)
    if scaled:
        gradients *= 10 ** torch.randint(-3, 4, (tasks, 1), generator=generator).double()
    wanted = torch.rand(tasks, generator=generator, dtype=torch.float64)
    weights = dual_cone_weights(wanted, gradients @ gradients.T)
    direction = weights @ gradients
    slack = gradients @ direction / gradients.norm(dim=1)
    size = float((wanted @ gradients.abs()).norm() + direction.norm())
    assert (weights >= wanted * (1 - 1e-9)).all()
    assert slack.min() >= -1e-4 * size  # no loss goes up
    gap = ((weights - wanted) * gradients.norm(dim=1)) @ slack
    assert float(gap) == pytest.approx(0, abs=1e-4 * size**2)  # added only where it binds


def test_the_sum_of_gradients_that_agree_stays() -> None:
    gradients = torch.tensor([[1.0, 0.2], [0.3, 1.0]])
    wanted = torch.ones(2)
    torch.testing.assert_close(dual_cone_weights(wanted, gradients @ gradients.T), wanted)


def test_two_that_conflict_by_hand() -> None:
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])
    lines = dual_cone_weights(torch.eye(2), gradients @ gradients.T)
    # each loses its part against the other
    torch.testing.assert_close(lines @ gradients, torch.tensor([[0.5, 0.5], [0.0, 1.0]]))


def test_opposite_gradients_cancel() -> None:
    gradients = torch.tensor([[2.0, 0.0], [-1.0, 0.0]])
    directions = dual_cone_weights(torch.eye(2), gradients @ gradients.T) @ gradients
    torch.testing.assert_close(directions, torch.zeros(2, 2), atol=1e-5, rtol=0)
