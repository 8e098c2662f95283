"""Weights by how fast losses fall."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from motet.balancers import DynamicWeightAverage
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.model import Model
from motet.optim import Adagrad
from motet.train import fit


def built(*names: str, temperature: float = 2.0) -> DynamicWeightAverage:
    balancer = DynamicWeightAverage(temperature=temperature)
    balancer.build(names)
    return balancer


def test_by_hand() -> None:
    balancer = built("a", "b")
    for losses in ({"a": 4.0, "b": 0.5}, {"a": 2.0, "b": 0.5}):
        assert balancer.weights() == {"a": 1.0, "b": 1.0}
        balancer.epoch_ended(losses)
    exponents = [math.exp(0.5 / 2), math.exp(1 / 2)]
    expected = [2 * exponent / sum(exponents) for exponent in exponents]
    assert list(balancer.weights().values()) == pytest.approx(expected)
    x = torch.ones(1, requires_grad=True)
    balancer.backward({"a": 3 * x.sum(), "b": 5 * x.sum(), "own": x.sum()}, (x,))
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(3 * expected[0] + 5 * expected[1] + 1)


def test_a_task_without_labels_keeps_its_past() -> None:
    balancer = built("a", "b")
    for losses in ({"a": 4.0, "b": 1.0}, {"a": 2.0, "b": 0.0}, {"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 0.5}):
        balancer.epoch_ended(losses)
    torch.testing.assert_close(balancer.past, torch.tensor([[1.0, 1.0], [1.0, 0.5]]))


def test_a_task_of_weight_0_takes_no_part(log: EventLog, build: Callable[..., Model]) -> None:
    model = build(DynamicWeightAverage())
    names = list(model.tasks)
    model.weights = {names[0]: 0.0}
    fit(model, log, epochs=4, batch_size=30, optimizer=lambda parameters: Adagrad(parameters, lr=0.1), progress=False)
    weights = model.balancer.weights()  # type: ignore[operator]
    assert weights.pop(names[0]) == 1.0
    assert len(set(weights.values())) == len(names) - 1
    assert sum(weights.values()) == pytest.approx(len(names) - 1)


def test_a_task_that_is_left_out_is_forgotten() -> None:
    balancer = built("a", "b", "c")
    for losses in ({"a": 4.0, "b": 1.0, "c": 9.0}, {"a": 2.0, "b": 1.0, "c": 3.0}, {"a": 1.0, "b": 1.0}):
        balancer.epoch_ended(losses)
    alone = built("a", "b")
    for losses in ({"a": 2.0, "b": 1.0}, {"a": 1.0, "b": 1.0}):
        alone.epoch_ended(losses)
    assert balancer.weights() == {**alone.weights(), "c": 1.0}


def test_a_high_temperature_evens_out() -> None:
    weights = []
    for temperature in (0.5, 100.0):
        balancer = built("a", "b", temperature=temperature)
        balancer.epoch_ended({"a": 1.0, "b": 1.0})
        balancer.epoch_ended({"a": 0.1, "b": 0.9})
        weights.append(balancer.weights()["b"])
    assert weights[0] > 1.5
    assert weights[1] == pytest.approx(1.0, abs=0.01)


def test_what_it_knows_survives_a_checkpoint(log: EventLog, build: Callable[..., Model], tmp_path: Path) -> None:
    def trained(epochs: int, *, resume: bool = False, checkpoint: Path | None = None) -> Model:
        model = build(DynamicWeightAverage())
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

    whole = trained(5)
    assert len(set(whole.balancer.weights().values())) == 3  # type: ignore[operator]
    trained(3, checkpoint=tmp_path / "run")
    resumed = trained(5, resume=True, checkpoint=tmp_path / "run")
    assert all(torch.equal(a, b) for a, b in zip(*(m.state_dict().values() for m in (whole, resumed)), strict=True))


def test_errors() -> None:
    with pytest.raises(ConfigError, match="temperature=0; it divides the ratios of losses, so it must be positive"):
        DynamicWeightAverage(temperature=0)
