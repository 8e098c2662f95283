"""ContentTower: vectors from features alone, without an id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jaxtyping import Float
from torch import Tensor

from motet.data.batch import Batch
from motet.data.entities import Entities
from motet.layers import Combine
from motet.towers.encoders import Features, chosen
from motet.towers.featured import FeaturedTower


class ContentTower(FeaturedTower):
    """Declared features as one vector; entities with equal features have equal vectors.

    A `FeatureTower` without the id: it learns nothing about a single user or item, so it embeds a new one as well as
    one with a long history.

    Args:
        entities: The users or the items.
        dim: Width of the vectors.
        features: Names of features to read. None reads every declared one.
        hidden: Widths of the hidden layers. Without hidden and cross layers the features' vectors are summed.
        cross_layers: How many cross layers come before them.
        dropout: Share of values set to 0 in training: after every hidden layer, or of the output if there is none.
        init_scale: Embeddings start at uniform(-init_scale, init_scale).
        sparse: Whether gradients of embedding tables hold only the rows read.

    Raises:
        ConfigError: If there is no feature, a name is not a declared feature, or a width or share is out of range.

    Example:
        >>> import polars as pl
        >>> import torch
        >>> from motet.data.log import EventLog
        >>> from motet.data.schema import MultiValued, Schema
        >>> events = pl.DataFrame({"user_id": [7, 9], "item_id": [1, 2], "genres": ["war|drama", "war|drama"]})
        >>> log = EventLog.read(events, Schema(item_features={"genres": MultiValued()}))
        >>> first, second = ContentTower(log.items)(log.batch())
        >>> torch.equal(first, second)
        True
    """

    def __init__(
        self,
        entities: Entities,
        *,
        dim: int = 32,
        features: Iterable[str] | None = None,
        hidden: Sequence[int] = (),
        cross_layers: int = 0,
        dropout: float = 0.0,
        init_scale: float = 0.05,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        names = chosen(entities, features)
        self.entities = entities
        self.reads = tuple(names)
        self.dim = dim
        self._config = {
            "dim": dim,
            "features": names,
            "hidden": list(hidden),
            "cross_layers": cross_layers,
            "dropout": dropout,
            "init_scale": init_scale,
            "sparse": sparse,
        }
        self.combine = Combine(len(names), dim, hidden=hidden, cross_layers=cross_layers, dropout=dropout)
        self.ids = None
        self.features = Features(entities, names, dim=dim, init_scale=init_scale, sparse=sparse)

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Embed the features of `batch[entities.key]`.

        Args:
            batch: Needs the id column.

        Returns:
            One vector for each row of the batch.
        """
        out: Tensor = self.combine(self.features(batch[self.entities.key]))
        return out
