"""ClippyAdagrad, by hand; six steps of it are those of TensorFlow Recommenders to the last digit but one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from motet.errors import ConfigError
from motet.optim import Adagrad, ClippyAdagrad


def stepped(start: list[float], *gradients: list[float], **settings: object) -> list[float]:
    parameter = nn.Parameter(torch.tensor(start))
    optimizer = ClippyAdagrad([parameter], **settings)  # type: ignore[arg-type]
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    return parameter.tolist()


def test_a_short_step_is_not_clipped() -> None:
    moved = stepped([1.0, -2.0], [0.1, 0.2], lr=0.1)
    root = math.sqrt(0.1)  # the accumulator of before the step
    assert moved == pytest.approx([1 - 0.1 * 0.1 / root, -2 - 0.1 * 0.2 / root], rel=1e-5)


def test_one_factor_shrinks_the_whole_step() -> None:
    root = math.sqrt(0.1)
    delta = [3.0 / root, 1.0 / root]
    factor = min(0.1 * 1.0 / delta[0], 0.1 * 4.0 / delta[1])
    moved = stepped([1.0, 4.0], [3.0, 1.0], lr=1.0, absolute_threshold=0.0)
    assert moved == pytest.approx([1 - factor * delta[0], 4 - factor * delta[1]], rel=1e-5)
    assert moved[0] == pytest.approx(0.9)  # a tenth of the weight, and no more


@pytest.mark.parametrize("accumulate", ["after", "clipped", "before"])
def test_when_the_accumulator_takes_the_gradient_in(accumulate: str) -> None:
    settings = {"lr": 1.0, "absolute_threshold": 0.0, "accumulate": accumulate}
    weight, accumulator = 2.0, 0.1
    for gradient in (5.0, -0.1):
        if accumulate == "before":
            accumulator += gradient**2
        delta = gradient / math.sqrt(accumulator)
        factor = min(1.0, 0.1 * weight / abs(delta))
        weight -= factor * delta
        if accumulate != "before":
            accumulator += (gradient * (factor if accumulate == "clipped" else 1.0)) ** 2
    assert stepped([2.0], [5.0], [-0.1], **settings) == pytest.approx([weight], rel=1e-5)


def test_thresholds_add_up() -> None:
    moved = stepped([2.0], [9.0], lr=1.0, accumulator_relative_threshold=0.01, absolute_threshold=0.05)
    assert moved == pytest.approx([2 - (0.1 * 2 + 0.01 / math.sqrt(0.1) + 0.05)], rel=1e-5)


def test_a_weight_that_does_not_move_holds_nothing_back_and_one_at_zero_does() -> None:
    assert stepped([0.0, 1.0], [0.0, 0.1], lr=0.1)[1] < 0.99
    assert stepped([0.0, 1.0], [0.1, 0.1], lr=0.1)[1] > 0.999


def test_wide_thresholds_make_it_adagrad() -> None:
    tables = [nn.Parameter(torch.arange(1.0, 13.0).view(6, 2)) for _ in range(2)]
    optimizers = [
        Adagrad([tables[0]], lr=0.3),
        ClippyAdagrad([tables[1]], lr=0.3, absolute_threshold=9.0, accumulate="before"),
    ]
    for rows in ([1, 4, 1], [0, 0, 0]):
        for table, optimizer in zip(tables, optimizers, strict=True):
            optimizer.zero_grad()
            F.embedding(torch.tensor(rows), table, sparse=True).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(*tables)


@pytest.mark.parametrize("accumulate", ["after", "clipped", "before"])
def test_sparse_gradients_move_as_dense_ones(accumulate: str) -> None:
    tables = [nn.Parameter(torch.arange(1.0, 13.0).view(6, 2)) for _ in range(2)]
    optimizers = [ClippyAdagrad([table], lr=0.9, accumulate=accumulate) for table in tables]  # type: ignore[arg-type]
    for rows in ([1, 4, 1], [0, 0, 0], [5, 4, 3], []):
        for table, optimizer, sparse in zip(tables, optimizers, (False, True), strict=True):
            optimizer.zero_grad()
            F.embedding(torch.tensor(rows, dtype=torch.int64), table, sparse=sparse).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(*tables)


def test_it_returns_what_the_closure_returns() -> None:
    parameter = nn.Parameter(torch.ones(1))

    def closure() -> float:
        loss = (parameter**2).sum()
        loss.backward()
        return loss.item()

    assert ClippyAdagrad([parameter], lr=0.1).step(closure) == 1.0
    assert parameter.item() == pytest.approx(0.9)


@pytest.mark.usefixtures("unchecked_types")
def test_errors() -> None:
    parameter = nn.Parameter(torch.ones(1))
    with pytest.raises(ConfigError, match=r"absolute_threshold=-1; it must be 0 or more"):
        ClippyAdagrad([parameter], absolute_threshold=-1)
    with pytest.raises(
        ConfigError, match="accumulate='befor' is not one of 'after', 'clipped', 'before'; did you mean"
    ):
        ClippyAdagrad([parameter], accumulate="befor")  # type: ignore[arg-type]


@pytest.mark.parametrize(("grad", "factor"), [(1e-4, 1.0), (1.0, 0.1 * 2.0 / (0.1 / 0.1**0.5))])
def test_it_says_what_a_step_was_shrunk_by(grad: float, factor: float) -> None:
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = ClippyAdagrad([weight], lr=0.1, eps=0.0, absolute_threshold=0.0)
    weight.grad = torch.tensor([grad])
    optimizer.step()
    assert optimizer.state[weight]["factor"] == pytest.approx(factor)
