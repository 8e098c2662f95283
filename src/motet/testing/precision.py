"""The part of a contract about number types: products in bfloat16, and weights in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

Part = TypeVar("Part", bound=nn.Module)
FAR = 0.05  # how far bfloat16 may lead, relative to the norm; a rounding is 1/256 of a number
FARTHER = 0.25  # the same of the gradient, where a ReLU near 0 is on or off, and one of equal heads counts


def check_precision(part: Part, run: Callable[[Part], Mapping[str, Tensor]]) -> None:
    """Check that results and gradients are nearly the same under `torch.autocast`, and with weights in float64.

    Args:
        part: A tower, trunk or model; only its gradients are changed.
        run: Runs it and returns its results by name; random choices must be the same in every run.

    Raises:
        AssertionError: If they differ.
    """
    results, gradient = _run(part, run)
    doubled = copy.deepcopy(part).double()
    for where, (found, other), far, farther in (
        ("under torch.autocast in bfloat16", _run(part, run, rounded=True), FAR, FARTHER),
        ("with weights in float64", _run(doubled, run), 1e-4, FAR),
    ):
        for name, result in found.items():
            off = _off(result, results[name])
            assert off < far, f"{where}, {name} is {off:.2g} of its norm away from float32"
        off = _off(other, gradient)
        assert off < farther, f"{where}, the gradient is {off:.2g} of its norm away from float32"


def _run(
    part: Part, run: Callable[[Part], Mapping[str, Tensor]], *, rounded: bool = False
) -> tuple[dict[str, Tensor], Tensor]:
    """Results, and the gradient of the sum of their squares with respect to all parameters."""
    part.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=rounded):
        found = run(part)
    torch.stack([result.square().sum().float() for result in found.values()]).sum().backward()
    grads = [torch.zeros_like(each) if each.grad is None else each.grad.to_dense() for each in part.parameters()]
    return {name: each.detach() for name, each in found.items()}, torch.cat([grad.flatten() for grad in grads])


def _off(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm().clamp(min=1e-6))
