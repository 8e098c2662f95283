"""Shared experts, and experts of each task's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from motet.errors import ConfigError
from motet.layers import Experts
from motet.testing import check_trunk
from motet.trunks import PLE


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_contract(layers: int) -> None:
    check_trunk(lambda: PLE(shared=1, own=2, layers=layers, hidden=(8, 5), product=True, dropout=0.2))


def ask(experts: Experts, group: int, expert: int, x: Tensor) -> Tensor:
    return F.relu(x @ experts.weights[0][group, expert] + experts.biases[0][group, expert])


def heard(gate: Tensor, x: Tensor, experts: list[Tensor]) -> Tensor:
    shares = (x @ gate).softmax(1)
    return torch.stack([shares[:, e, None] * each for e, each in enumerate(experts)]).sum(0)


def test_formula() -> None:
    """Both layers, expert by expert."""
    torch.manual_seed(0)
    trunk = PLE(shared=2, own=3, layers=2, hidden=(4,))
    trunk.build(6, ["click", "buy"])
    x = torch.randn(5, 6)
    own, shared = [x, x], x
    for layer in trunk.extraction:
        theirs = [[ask(layer.own, task, e, own[task]) for e in range(3)] for task in range(2)]
        common = [ask(layer.shared, 0, e, shared) for e in range(2)]
        own = [heard(layer.gates.weight[task], own[task], theirs[task] + common) for task in range(2)]
        if layer.shared_gate is not None:
            shared = heard(layer.shared_gate.weight[0], shared, theirs[0] + theirs[1] + common)
    read = trunk(x)
    torch.testing.assert_close(read["click"], own[0])
    torch.testing.assert_close(read["buy"], own[1])
    assert list(trunk.utilisation()["buy"]) == ["own1", "own2", "own3", "shared1", "shared2"]


def test_a_task_does_not_reach_the_experts_of_another() -> None:
    trunk = PLE(shared=1, own=1, hidden=(4,))
    trunk.build(6, ["click", "buy"])
    trunk(torch.randn(9, 6))["click"].square().sum().backward()
    click, buy = trunk.extraction[0].own.weights[0].grad
    assert click.any()
    assert not buy.any()
    assert trunk.extraction[0].shared.weights[0].grad.any()


@pytest.mark.parametrize("count", ["shared", "own", "layers"])
def test_errors(count: str) -> None:
    with pytest.raises(ConfigError, match=f"{count}=0; it must be at least 1"):
        PLE(**{count: 0})
