"""The contract of a balancer, kept and broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from motet import balancers
from motet.balancers import Balancer, DynamicWeightAverage, Fixed, GradientBalancer, GradNorm, Uncertainty
from motet.balancers.gradient import Method
from motet.testing import check_balancer

KEPT: dict[str, Callable[[], Balancer]] = {
    "Fixed": Fixed,
    "Uncertainty": Uncertainty,
    "DynamicWeightAverage": lambda: DynamicWeightAverage(temperature=1.0),
    "GradNorm": lambda: GradNorm(alpha=0.5, lr=0.1),
    **{f"GradientBalancer {method}": lambda method=method: GradientBalancer(method) for method in get_args(Method)},
}


@pytest.mark.parametrize("name", KEPT)
def test_it_is_kept(name: str) -> None:
    check_balancer(KEPT[name])


def test_every_balancer_is_here() -> None:
    kinds = {getattr(balancers, name) for name in balancers.__all__ if name not in ("Balancer", "Conflict")}
    assert kinds == {type(build()) for build in KEPT.values()}


class Forgetful(Balancer):
    """Trains the first task alone."""

    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[Tensor]) -> None:  # noqa: ARG002
        next(iter(losses.values())).backward()


class Divides(Balancer):
    """Divides by a loss that may be 0."""

    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[Tensor]) -> None:  # noqa: ARG002
        every = torch.stack(list(losses.values()))
        (every.sum() / every.detach().min()).backward()


class Bent(Balancer):
    """Turns the gradient of the users."""

    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[Tensor]) -> None:
        shared[0].register_hook(lambda gradient: gradient.flip(1))
        torch.stack(list(losses.values())).sum().backward()


class Counts(Balancer):
    """Its state is not saved."""

    steps = 0

    def backward(self, losses: Mapping[str, Tensor], shared: Sequence[Tensor]) -> None:  # noqa: ARG002
        self.steps += 1
        (self.steps * torch.stack(list(losses.values())).sum()).backward()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (Forgetful, r"no gradient reaches _tasks.1.* in a batch with every task"),
        (Divides, "is not finite in a batch without the labels of a task"),
        (Bent, r"'stars' alone has a different gradient than without a balancer"),
        (Counts, "a balancer with the same config and state gives different gradients"),
    ],
)
def test_it_is_broken(build: Any, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_balancer(build)
