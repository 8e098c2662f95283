"""Trunk: layers that the heads of several tasks share."""

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
    """From the pair of vectors to one representation for each task.

    Attributes:
        out_dim: Width of every representation, once it is built.
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

    def utilisation(self) -> Mapping[str, Mapping[str, float]]:
        """By task, the mean share of each expert in training since the epoch began; nothing where there is none."""
        return {}

    def epoch_began(self) -> None:
        """Forget the shares so far."""
        for part in self.modules():
            if isinstance(part, Gates):
                part.forget()


def check_widths(hidden: Sequence[int], dropout: float) -> tuple[int, ...]:
    """The widths of a trunk's layers, checked.

    Args:
        hidden: At least one.
        dropout: The share of values to drop.

    Returns:
        The widths.

    Raises:
        ConfigError: If there is no layer, one is narrower than 1, or the share is not in [0, 1).
    """
    if not hidden or min(hidden) < 1:
        raise ConfigError(f"hidden={tuple(hidden)}; a trunk has at least one layer, and each at least width 1")
    check_dropout(dropout)
    return tuple(hidden)


def check_counts(**counts: int) -> None:
    """Check that there is at least one of each.

    Args:
        **counts: By argument name.

    Raises:
        ConfigError: If there is not.
    """
    for name, count in counts.items():
        if count < 1:
            raise ConfigError(f"{name}={count}; there must be at least 1")
