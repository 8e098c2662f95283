"""What optimizers share: the loss computed anew, and a step parameter by parameter."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def anew(closure: Callable[[], float] | None) -> float | None:
    """The loss, computed anew with gradients where a step is given what computes it.

    Args:
        closure: Computes it; None for nothing.

    Returns:
        What the closure returned.
    """
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


class OneByOne(torch.optim.Optimizer, ABC):
    """An optimizer that moves each parameter by its own gradient, dense or sparse, and by nothing else."""

    # torch wraps these two to keep its compiler away from them, and imports the compiler for that on the first call:
    # half a second and 70 MB that plain training does not need.
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every parameter that has a gradient.

        Args:
            closure: Computes the loss anew, with gradients.

        Returns:
            What the closure returned.
        """
        loss = anew(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.move(parameter, parameter.grad, group)
        return loss

    @abstractmethod
    def move(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        """Move one parameter, in place.

        Args:
            parameter: Of the group.
            grad: Its gradient, dense or sparse.
            group: The settings.
        """
