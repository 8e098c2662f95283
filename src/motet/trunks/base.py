"""Trunk: layers that the heads of several tasks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from motet.layers.configured import Configured


class Trunk(Configured, ABC):
    """From the pair of vectors to one representation for each task.

    Attributes:
        out_dim: Width of every representation.
        product: Whether it reads the elementwise product of the vectors besides both of them.
    """

    out_dim: int
    product: bool = False

    @abstractmethod
    def build(self, in_dim: int, tasks: Sequence[str]) -> None:
        """Make the parameters; `Model` calls this once.

        Args:
            in_dim: Width of the pair.
            tasks: Names of the tasks whose heads read the trunk.
        """

    @abstractmethod
    def forward(self, pairs: Float[Tensor, "batch in_dim"]) -> dict[str, Float[Tensor, "batch out_dim"]]:
        """What each head reads.

        Args:
            pairs: The pair of each row.

        Returns:
            One representation a row, by task.
        """

    def utilisation(self) -> dict[str, list[float]]:
        """By task, the mean share of each expert since the epoch began; nothing where there are no gates."""
        return {}
