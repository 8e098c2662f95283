"""Balancer: what several losses do to the parameters they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from motet.layers.configured import Configured


class Balancer(Configured, ABC):
    """From losses by task to the gradients of all parameters.

    A balancer may have parameters of its own; they are trained with the model's.
    """

    def build(self, tasks: Sequence[str]) -> None:
        """Make what there is one of for each task; `Model` calls this once.

        Args:
            tasks: Their names.
        """

    @abstractmethod
    def backward(self, losses: Mapping[str, Float[Tensor, ""]], shared: Sequence[Tensor]) -> None:
        """Add to the gradient of every parameter.

        Args:
            losses: Of the tasks present in the batch, times their weights.
            shared: The vectors at which the tasks meet; empty where a model has a loss of its own.
        """

    def epoch_ended(self, losses: Mapping[str, float]) -> None:
        """Take note of an epoch's mean losses.

        Args:
            losses: By task.
        """
