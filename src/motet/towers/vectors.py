"""Vectors: the vectors of one side of a batch, which all tasks share."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.data.batch import Batch
from motet.errors import ConfigError
from motet.layers.precision import widened
from motet.towers.base import Tower


class Vectors:
    """Embeds the users or the items of one batch, each of them once.

    A task may read items that are not in the batch, such as extra negatives or the whole catalogue. If every task
    embedded its own, an item could have several vectors, and no gradient with respect to one of them would be complete.

    Args:
        tower: The tower of that side.

    Attributes:
        parts: The vectors, one tensor for each time that some were added; together they receive the tower's whole
            gradient.
        rows: The entity rows of each part, ascending; None if each vector belongs to a single batch row.

    Example:
        >>> import polars as pl
        >>> from motet.data.log import EventLog
        >>> from motet.data.schema import Schema
        >>> from motet.towers import FeatureTower
        >>> log = EventLog.read(pl.DataFrame({"user_id": [1, 1], "item_id": [5, 6]}), Schema())
        >>> vectors = Vectors(FeatureTower(log.items, dim=8))
        >>> vectors(torch.tensor([2, 1, 2])).shape, len(vectors.parts[0])
        (torch.Size([3, 8]), 2)
    """

    def __init__(self, tower: Tower) -> None:
        self.parts: list[Float[Tensor, "n dim"]] = []
        self.rows: list[Int[Tensor, " n"] | None] = []
        self._tower = tower
        self._places: Tensor | None = None

    def add(self, vectors: Float[Tensor, "n dim"], rows: Int[Tensor, " n"] | None) -> None:
        """Add vectors that the model has already computed.

        Args:
            vectors: The vectors.
            rows: Their entity rows, without repetition; None if equal entities may have different vectors, so that
                these are not reused.
        """
        self.parts.append(vectors)
        self.rows.append(rows)

    def __call__(self, rows: Int[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """Look up the vectors of entities, and embed those that are missing.

        Args:
            rows: Entity rows, in any order.

        Returns:
            One vector per row.

        Raises:
            ConfigError: If some are missing, and the tower needs the context of a batch row to embed them.
        """
        places = self._positions(rows)
        missing = rows[places[rows] < 0].unique()
        if len(missing):
            key = self._tower.entities.key
            if self._tower.training and self._tower.context:
                raise ConfigError(
                    f"the tower of {key!r} reads {', '.join(self._tower.context)} of each row, so in training it "
                    "embeds the rows of a batch and nothing else; give Retrieval the pool InBatch() without extra "
                    "items, and leave out tasks that draw items or read all of them"
                )
            self._place(places, missing)
            self.add(widened(self._tower(Batch({key: missing}, user_key=key, item_key=key))), missing)
        known = [part for part, held in zip(self.parts, self.rows, strict=True) if held is not None]
        return torch.cat(known).index_select(0, places[rows])

    def _positions(self, rows: Tensor) -> Tensor:
        """The position of every entity's vector among the parts with entity rows; -1 if it is missing."""
        if self._places is None:
            self._places = rows.new_full((len(self._tower.entities),), -1)
            for held in self.rows:
                if held is not None:
                    self._place(self._places, held)
        return self._places

    @staticmethod
    def _place(places: Tensor, rows: Tensor) -> None:
        """Give entities the next free positions."""
        places[rows] = torch.arange(len(rows), device=rows.device) + (places.max() + 1)
