"""Who pulls where."""

from __future__ import annotations

import math

import pytest
import torch

from motet.balancers.conflict import conflict


def test_by_hand() -> None:
    x = torch.tensor([1.0, 0.0], requires_grad=True)
    y = torch.tensor([1.0], requires_grad=True)
    losses = {"right": 3 * x[0], "up": x[1] + 0 * y[0], "left": -x[0] - y[0]}
    figures = conflict(losses, (x, y))
    whole = 3 + 1 + math.sqrt(2)
    assert figures["gradient/right"] == pytest.approx(3 / whole)
    assert figures["gradient/left"] == pytest.approx(math.sqrt(2) / whole)
    assert figures["cosine/right/up"] == pytest.approx(0)
    assert figures["cosine/right/left"] == pytest.approx(-1 / math.sqrt(2))


def test_one_task_or_nothing_shared_is_no_conflict() -> None:
    x = torch.ones(1, requires_grad=True)
    assert conflict({"only": x.sum()}, (x,)) == {}
    assert conflict({"a": x.sum(), "b": x.sum()}, ()) == {}


def test_a_task_without_gradient_has_share_and_cosine_zero() -> None:
    x = torch.ones(2, requires_grad=True)
    other = torch.ones(1, requires_grad=True)
    figures = conflict({"a": x.sum(), "b": other.sum()}, (x,))
    assert figures == {"gradient/a": 1.0, "gradient/b": 0.0, "cosine/a/b": 0.0}
