"""Experts and gates against loops over single networks."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from motet.layers import Experts, Gates, mix


def test_experts_are_networks_side_by_side() -> None:
    torch.manual_seed(0)
    experts = Experts(5, count=3, groups=2, hidden=(7, 4))
    for bias in experts.biases:
        torch.nn.init.normal_(bias)
    x = torch.randn(2, 6, 5)
    out = experts(x)
    assert out.shape == (2, 3, 6, 4)
    for group in range(2):
        for expert in range(3):
            one = x[group]
            for weight, bias in zip(experts.weights, experts.biases, strict=True):
                one = F.relu(one @ weight[group, expert] + bias[group, expert])
            torch.testing.assert_close(out[group, expert], one)


def test_each_expert_starts_as_a_linear_layer_of_its_own_does() -> None:
    weights = Experts(30, count=4, hidden=(10,)).weights[0]
    bound = (6 / (30 + 10)) ** 0.5
    assert 0.95 * bound < weights.abs().max() <= bound


def test_dropout_is_of_training() -> None:
    experts = Experts(5, count=2, hidden=(50,), dropout=0.5)
    x = torch.ones(1, 3, 5)
    assert (experts(x) == 0).sum() > (experts.eval()(x) == 0).sum()


def test_gates_are_softmaxes() -> None:
    torch.manual_seed(0)
    gates = Gates(5, experts=3, groups=2)
    for x in (torch.randn(1, 6, 5), torch.randn(2, 6, 5)):
        shares = gates(x)
        for group, inputs in enumerate(x.expand(2, 6, 5)):
            torch.testing.assert_close(shares[group], (inputs @ gates.weight[group]).softmax(1))


def test_means_are_over_all_rows_of_training_since_the_start() -> None:
    torch.manual_seed(0)
    gates = Gates(5, experts=3, groups=2)
    x = torch.randn(2, 9, 5)
    assert gates.means() is None
    whole = gates(x).mean(1).double()
    gates.forget()
    gates(x[:, :2])
    gates.eval()(100 * x)
    gates.train()(x[:, 2:])
    torch.testing.assert_close(gates.means(), whole, atol=1e-6, rtol=1e-6)
    gates.forget()
    assert gates.means() is None


def test_a_mixture_is_a_weighted_sum() -> None:
    shares = torch.rand(2, 6, 3)
    for inputs in (1, 2):
        experts = torch.rand(inputs, 3, 6, 4)
        mixed = mix(shares, experts)
        for gate in range(2):
            for row in range(6):
                by_hand = sum(shares[gate, row, e] * experts[gate % inputs, e, row] for e in range(3))
                torch.testing.assert_close(mixed[gate, row], by_hand)
