"""FeaturedTower: the base of towers that read declared features."""

from __future__ import annotations

from abc import ABC
from typing import Any, Self

from jaxtyping import Float, Int
from torch import Tensor

from motet.data.batch import Columns
from motet.data.visitors import Visitors
from motet.layers import Embedding
from motet.towers.base import Tower
from motet.towers.encoders import Features
from motet.towers.twin import twin, with_vectors


class FeaturedTower(Tower, ABC):
    """A tower that reads declared features, and ids if they have vectors of their own.

    A constructor sets the attributes below, and `_config` to its arguments besides the entities, as JSON can hold them.

    Attributes:
        features: The features in `reads`.
        ids: The table of id vectors, or None.
    """

    features: Features
    ids: Embedding | None
    _config: dict[str, Any]

    def config(self) -> dict[str, Any]:
        """The constructor's arguments besides the entities; see `Tower.config`."""
        return dict(self._config)

    def prepare(self, train: Columns) -> None:
        """Standardise numeric features on the entities of the training rows; only the first call does.

        Args:
            train: The training log.
        """
        self.features.fit(train.batch()[self.entities.key])

    def mean_id(self, rows: Int[Tensor, " n"]) -> Float[Tensor, " dim"] | None:
        """The mean of some id vectors; see `Tower.mean_id`."""
        return None if self.ids is None else self.ids(rows).mean(0)

    def for_visitors(self, visitors: Visitors) -> Self:
        """Embed visitors by their ids and features; see `Tower.for_visitors`."""
        copied = twin(self, features=self.features.for_visitors(visitors))
        if self.ids is not None:
            copied.ids = with_vectors(self.ids, visitors.ids(self.ids, self.ids.weight.device))
        return copied
