"""Trunk: layers between the pair of vectors and the heads, shared by several tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from motet.errors import ConfigError
from motet.layers.configured import Configured
from motet.layers.dropout import check_dropout
from motet.layers.experts import Gates


class Trunk(Configured, ABC):
    """Maps the pair of user and item vectors to one representation per task, which the task's head reads.

    Attributes:
        out_dim: Width of every representation.
        product: Whether the pair includes the elementwise product of both vectors.
    """

    out_dim: int
    product: bool = False

    @abstractmethod
    def build(self, in_dim: int, tasks: Sequence[str]) -> None:
        """Create the parameters; `Model` calls this once.

        Args:
            in_dim: Width of the pair.
            tasks: Names of the tasks whose heads read from the trunk.
        """

    @abstractmethod
    def forward(self, pairs: Float[Tensor, "batch in_dim"]) -> dict[str, Float[Tensor, "batch out_dim"]]:
        """The representations that the heads read.

        Args:
            pairs: The pair of each row.

        Returns:
            One representation per row, by task.
        """

    def utilisation(self) -> Mapping[str, Mapping[str, float]]:
        """By task, each expert's mean share in training since the start of the epoch; empty without experts."""
        return {}

    def epoch_began(self) -> None:
        """Clear the shares counted so far."""
        for part in self.modules():
            if isinstance(part, Gates):
                part.forget()


def check_widths(hidden: Sequence[int], dropout: float) -> tuple[int, ...]:
    """Check the widths of a trunk's layers, and their dropout rate.

    Args:
        hidden: At least one width.
        dropout: The dropout rate.

    Returns:
        The widths.

    Raises:
        ConfigError: If there is no layer, a width is below 1, or the rate is not in [0, 1).
    """
    if not hidden or min(hidden) < 1:
        raise ConfigError(f"hidden={tuple(hidden)}; give at least one layer, each of width 1 or more")
    check_dropout(dropout)
    return tuple(hidden)


def check_counts(**counts: int) -> None:
    """Check that counts are at least 1.

    Args:
        **counts: The counts, by argument name.

    Raises:
        ConfigError: If a count is below 1.
    """
    for name, count in counts.items():
        if count < 1:
            raise ConfigError(f"{name}={count}; it must be at least 1")
