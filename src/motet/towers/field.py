"""FieldTower: ids and declared features as separate vectors."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from motet.data.batch import Batch
from motet.data.entities import Entities
from motet.errors import ConfigError
from motet.layers import Embedding
from motet.towers.encoders import Features, chosen
from motet.towers.featured import FeaturedTower


class FieldTower(FeaturedTower):
    """The id's vector and one of each declared feature, concatenated: what `Interaction` and `CrossNetwork` multiply.

    `dim` is `field_dim` times the number of fields. Retrieval needs vectors of the same width on both sides, and so
    the same number of fields.

    Args:
        entities: The users or the items.
        field_dim: Width of each vector.
        features: Names of features to read. None reads every declared one, `()` the id alone.
        init_scale: Embeddings start at uniform(-init_scale, init_scale); .05 is the default of Keras.
        sparse: Whether gradients of embedding tables hold only the rows read; needs an optimizer that takes them.

    Raises:
        ConfigError: If a name is not a declared feature, or the width is below 1.

    Example:
        >>> import polars as pl
        >>> from motet.data.vocab import Vocab
        >>> users = Entities("user_id", Vocab.build(pl.Series(["ada", "bob"]), "user_id"))
        >>> FieldTower(users, field_dim=8)(Batch({"user_id": torch.tensor([1, 2, 0])})).shape
        torch.Size([3, 8])
    """

    ids: Embedding

    def __init__(
        self,
        entities: Entities,
        *,
        field_dim: int = 16,
        features: Iterable[str] | None = None,
        init_scale: float = 0.05,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        if field_dim < 1:
            raise ConfigError(f"field_dim={field_dim}; a field has at least width 1")
        names = chosen(entities, features)
        self.entities = entities
        self.reads = tuple(names)
        self.field_dim = field_dim
        self.dim = field_dim * (1 + len(names))
        self._config = {"field_dim": field_dim, "features": names, "init_scale": init_scale, "sparse": sparse}
        self.ids = Embedding(len(entities), field_dim, init_scale=init_scale, sparse=sparse)
        self.features = Features(entities, names, dim=field_dim, init_scale=init_scale, sparse=sparse)

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Embed `batch[entities.key]`.

        Args:
            batch: Needs the id column.

        Returns:
            One vector for each row of the batch: the id's, then each feature's.
        """
        rows = batch[self.entities.key]
        return torch.cat([self.ids(rows), *self.features(rows)], 1)
