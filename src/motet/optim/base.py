"""Shared parts of optimizers: the closure, and a step parameter by parameter."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def recompute(closure: Callable[[], float] | None) -> float | None:
    """Recompute the loss with gradients, if a step is given a closure.

    Args:
        closure: Computes the loss and its gradients; may be None.

    Returns:
        The result of the closure, or None.
    """
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


class OneByOne(torch.optim.Optimizer, ABC):
    """An optimizer that updates each parameter independently by its own gradient, dense or sparse."""

    # torch wraps these two to exclude them from compilation, and so imports its compiler on the first call: half a
    # second and 70 MB that plain training does not need.
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient.

        Args:
            closure: Recomputes the loss with gradients.

        Returns:
            The result of the closure.
        """
        loss = recompute(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.move(parameter, parameter.grad, group)
        return loss

    @abstractmethod
    def move(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        """Update one parameter in place.

        Args:
            parameter: The parameter.
            grad: Its gradient, dense or sparse.
            group: Its parameter group, with the settings.
        """
