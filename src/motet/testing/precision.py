"""The part of a contract about number types: products in bfloat16, and weights in float64."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

Part = TypeVar("Part", bound=nn.Module)
ROUNDINGS = 16  # the inputs and the result of some five products in a row, as if all were rounded the same way
BFLOAT16 = ROUNDINGS * 2**-8  # a rounding moves a number by at most 1/256 of itself
FLOAT32 = 1e-4  # float64 also adds sums in another order, and a gradient may be a small difference of large numbers
DRAWS = 10  # of the weights
SHAKE = 2**-3  # by how much of itself a weight differs between them: many roundings, and still of the same size


def for_some_weights(difference: Callable[[int], str]) -> None:
    """Check that nothing differs for one draw of the weights at least.

    Rounding may move a number across a kink: a ReLU turns off, or two scores change ranks, and the gradient jumps. A
    kink is near some weights and not near others; what a part gets wrong about types, it gets wrong for all.

    Args:
        difference: Says what differs for the draw of a number, nothing if all is well.

    Raises:
        AssertionError: If something differs in each of ten draws.
    """
    told = difference(0)
    assert not told or not all(difference(draw) for draw in range(1, DRAWS)), told


def check_precision(part: Part, run: Callable[[Part], Mapping[str, Tensor]]) -> None:
    """Check that results and gradients are nearly the same under `torch.autocast`, and with weights in float64.

    The weights are the part's own, or for a part with a kink near them (see `for_some_weights`) weights close to them.

    Args:
        part: A tower, trunk or model; it is not changed.
        run: Runs it and returns its results by name; random choices must be the same in every run.

    Raises:
        AssertionError: If they differ, or are not finite.
    """
    for_some_weights(lambda draw: _difference(_shaken(part, draw), run))


def _difference(part: Part, run: Callable[[Part], Mapping[str, Tensor]]) -> str:
    """What differs by more than rounding explains; empty if nothing does."""
    results, gradient = _run(copy.deepcopy(part), run)
    for where, (found, other), far in (
        ("under torch.autocast in bfloat16", _run(copy.deepcopy(part), run, rounded=True), BFLOAT16),
        ("with weights in float64", _run(copy.deepcopy(part).double(), run), FLOAT32),
    ):
        distances = {name: _off(result, results[name]) for name, result in found.items()}
        for name, off in {**distances, "the gradient": _off(other, gradient)}.items():
            assert math.isfinite(off), f"{where}, {name} is not finite"
            if off >= far:
                return f"{where}, {name} is {off:.2g} of its norm away from float32"
    return ""


def _shaken(part: Part, draw: int) -> Part:
    """The part itself in the first draw, and with weights of about the same size in others."""
    if draw == 0:
        return part
    shaken = copy.deepcopy(part)
    generator = torch.Generator().manual_seed(draw)
    with torch.no_grad():
        for weight in shaken.parameters():
            weight.mul_(1 + SHAKE * torch.randn(weight.shape, generator=generator))
    return shaken


def _run(
    part: Part, run: Callable[[Part], Mapping[str, Tensor]], *, rounded: bool = False
) -> tuple[dict[str, Tensor], Tensor]:
    """Results, and the gradient of their sum in a random direction: in others, such as all ones, it may cancel out."""
    part.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=rounded):
        found = run(part)
    generator = torch.Generator().manual_seed(0)
    directions = [torch.randn(result.shape, generator=generator) for result in found.values()]
    sums = [(result.double() * one).sum() for result, one in zip(found.values(), directions, strict=True)]
    torch.stack(sums).sum().backward()
    grads = [torch.zeros_like(each) if each.grad is None else each.grad.to_dense() for each in part.parameters()]
    return {name: each.detach() for name, each in found.items()}, torch.cat([grad.flatten() for grad in grads])


def _off(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm().clamp(min=1e-6))
