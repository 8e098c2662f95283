"""Weights by how hard tasks pull."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from motet.balancers import GradNorm
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.model import Model
from motet.optim import Adagrad
from motet.train import fit


def built(*names: str, alpha: float = 0.0, lr: float = 0.025) -> GradNorm:
    balancer = GradNorm(alpha=alpha, lr=lr)
    balancer.build(names)
    return balancer


def test_a_step_by_hand() -> None:
    balancer = built("a", "b", lr=0.1)
    x = torch.ones(1, requires_grad=True)
    balancer.backward({"a": 3 * x.sum(), "b": x.sum(), "own": 7 * x.sum()}, (x,))
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(0.5 * 3 + 1.5 * 1 + 7)  # equal norms, from the first step on
    assert list(balancer.weights().values()) == pytest.approx([0.5, 1.5])
    x.grad = None
    balancer.backward({"a": x.sum(), "b": x.sum()}, (x,))
    assert x.grad.item() == pytest.approx(0.5 + 1.5)  # the weights move after the step
    after = [0.5 * math.exp(0.1 * 0.5), 1.5 * math.exp(-0.1 * 1.5)]  # the mean norm is 1
    assert list(balancer.weights().values()) == pytest.approx([2 * each / sum(after) for each in after], rel=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_norms_become_equal_whatever_the_scale(scale: float) -> None:
    balancer = built("a", "b")
    for _ in range(1000):
        x = torch.ones(2, requires_grad=True)
        balancer.backward({"a": scale * x[0], "b": 2 * x[1]}, (x,))
    weights = balancer.weights()
    assert weights["a"] * scale == pytest.approx(2 * weights["b"], rel=0.1)
    assert sum(weights.values()) == pytest.approx(2, rel=1e-4)


def test_a_task_that_has_learned_less_gets_more() -> None:
    balancer = built("slow", "fast", alpha=1.0)
    for step in range(400):
        x = torch.ones(2, requires_grad=True)
        fall = 1.0 if step == 0 else 0.25
        balancer.backward({"slow": x[0], "fast": x[1] - 1 + fall}, (x,))
    weights = balancer.weights()
    assert weights["slow"] / weights["fast"] == pytest.approx(4, rel=0.1)


def test_a_task_that_comes_later_pulls_as_hard_as_the_others() -> None:
    balancer = built("a", "b", "c", lr=0.0)
    x = torch.ones(1, requires_grad=True)
    balancer.backward({"a": 2 * x.sum(), "b": 4 * x.sum()}, (x,))
    balancer.backward({"a": 2 * x.sum(), "b": 4 * x.sum(), "c": 100 * x.sum()}, (x,))
    weights = balancer.weights()
    assert [2 * weights["a"], 4 * weights["b"]] == pytest.approx([100 * weights["c"]] * 2)
    assert sum(weights.values()) == pytest.approx(3)


def test_absent_tasks_and_those_without_gradient_keep_their_weights() -> None:
    balancer = built("a", "b", "c", lr=0.1)
    x = torch.ones(1, requires_grad=True)
    balancer.backward({"a": 3 * x.sum(), "b": x.sum(), "c": 0 * x.sum()}, (x,))
    weights = balancer.weights()
    assert weights["a"] < 1 < weights["b"]
    assert weights["c"] == 1
    assert sum(weights.values()) == pytest.approx(3, rel=1e-5)
    balancer.backward({"b": x.sum()}, (x,))
    balancer.backward({"b": x.sum(), "c": 0 * x.sum()}, (x,))
    assert balancer.weights() == weights
    assert balancer.first.isnan().tolist() == [False, False, True]


def test_its_state_survives_a_checkpoint(log: EventLog, build: Callable[..., Model], tmp_path: Path) -> None:
    def trained(epochs: int, *, resume: bool = False, checkpoint: Path | None = None) -> Model:
        model = build(GradNorm())
        fit(
            model,
            log,
            epochs=epochs,
            batch_size=30,
            optimizer=lambda parameters: Adagrad(parameters, lr=0.1),
            resume=resume,
            checkpoint=checkpoint,
            progress=False,
        )
        return model

    whole = trained(4)
    trained(2, checkpoint=tmp_path / "run")
    resumed = trained(4, resume=True, checkpoint=tmp_path / "run")
    assert all(torch.equal(a, b) for a, b in zip(*(m.state_dict().values() for m in (whole, resumed)), strict=True))


def test_errors() -> None:
    with pytest.raises(ConfigError, match="alpha=-1; it must be 0 or more"):
        GradNorm(alpha=-1)
    x = torch.ones(1, requires_grad=True)
    with pytest.raises(
        ConfigError, match=r"GradNorm needs the vectors that the tasks share; return the result of Model.losses"
    ):
        built("a", "b").backward({"a": x.sum(), "b": x.sum()}, ())
