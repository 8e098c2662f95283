"""Balancer: how the losses of several tasks become gradients of the parameters that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from motet.layers.configured import Configured


class Balancer(Configured, ABC):
    """Computes the gradients of all parameters from the losses of the tasks.

    A balancer may have parameters of its own, which are trained together with the model's.
    """

    def build(self, tasks: Sequence[str]) -> None:
        """Make the state that is kept for each task; `Model` calls this once.

        Args:
            tasks: Their names.
        """

    @abstractmethod
    def backward(self, losses: Mapping[str, Float[Tensor, ""]], shared: Sequence[Tensor]) -> None:
        """Add to the gradient of every parameter.

        Args:
            losses: The losses of the tasks in the batch, times their weights.
            shared: The vectors that the tasks share; empty if a model computes a loss of its own.
        """

    def epoch_ended(self, losses: Mapping[str, float]) -> None:
        """Receive an epoch's mean losses.

        Args:
            losses: By task.
        """
