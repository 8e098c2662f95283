"""Shared experts, a gate for each task."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from motet.errors import ConfigError
from motet.testing import check_trunk
from motet.trunks import MMoE


@pytest.mark.parametrize("experts", [1, 3])
def test_contract(experts: int) -> None:
    check_trunk(lambda: MMoE(experts, hidden=(8, 5), product=True, dropout=0.2))


def test_formula() -> None:
    torch.manual_seed(0)
    trunk = MMoE(3, hidden=(4,))
    trunk.build(6, ["click", "buy"])
    x = torch.randn(5, 6)
    weight, bias = trunk.mixture.weights[0][0], trunk.mixture.biases[0][0]
    for number, (task, read) in enumerate(trunk(x).items()):
        shares = (x @ trunk.gates.weight[number]).softmax(1)
        by_hand = sum(shares[:, e, None] * F.relu(x @ weight[e] + bias[e]) for e in range(3))
        torch.testing.assert_close(read, by_hand)
        assert trunk.utilisation()[task] == pytest.approx(
            {str(e + 1): shares[:, e].mean().item() for e in range(3)}, rel=1e-5
        )


def test_one_expert_is_a_shared_bottom() -> None:
    trunk = MMoE(1, hidden=(4,))
    trunk.build(6, ["click", "buy"])
    read = trunk(torch.randn(5, 6))
    assert torch.equal(read["click"], read["buy"])
    assert trunk.utilisation() == {"click": {"1": 1.0}, "buy": {"1": 1.0}}


def test_errors() -> None:
    with pytest.raises(ConfigError, match="experts=0; it must be at least 1"):
        MMoE(0)
