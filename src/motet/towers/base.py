"""Tower: what turns the rows of one side of a batch into vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from motet.data.batch import Batch, Columns
from motet.data.entities import Entities


class Tower(nn.Module, ABC):
    """Users or items as vectors.

    Attributes:
        entities: The users, or the items, this tower embeds: their vocabulary and features.
        dim: Width of the vectors.
        context: Batch columns the tower reads besides the id. Where there are none, equal ids have equal vectors
            and `Model` embeds each distinct id of a batch once.
    """

    entities: Entities
    dim: int
    context: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Embed `batch[self.entities.key]`.

        Args:
            batch: Needs the id column of the tower's side, and the `context` columns.

        Returns:
            One vector for each row of the batch.
        """

    def prepare(self, train: Columns) -> None:
        """Look once at the training rows, before the first step.

        Args:
            train: The training log.
        """
