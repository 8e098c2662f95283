"""FeatureTower: ids and declared features as vectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jaxtyping import Float
from torch import Tensor

from motet.data.batch import Batch
from motet.data.entities import Entities
from motet.layers import Combine, Embedding
from motet.towers.encoders import Features, chosen
from motet.towers.featured import FeaturedTower


class FeatureTower(FeaturedTower):
    """An embedding of the id and one of each declared feature, summed, or concatenated as the input of a network.

    - categorical: a table of vectors;
    - multi-valued and text: the mean over the values' vectors, zero if there are none;
    - numeric: a linear map of the standardised number or, with `buckets`, a table of vectors; a learned vector if the
      number is unknown;
    - timestamp: a linear map of the age and of sine and cosine of the day, the week and the year; a learned vector if
      the time is unknown.

    Without hidden and cross layers the vectors are summed, so `features=()` is a plain embedding table. With either
    they are concatenated, and cross layers, hidden layers and a linear map to `dim` follow.

    Numbers are standardised over the whole table until `prepare` has seen the training rows, then over the users or
    items in these rows. A second `prepare` changes nothing, so training can continue with newer rows.

    Args:
        entities: The users or the items.
        dim: Width of the vectors. 32 is the width of the TensorFlow Recommenders tutorials.
        features: Names of features to read. None reads every declared one, `()` the id alone.
        hidden: Widths of the hidden layers.
        cross_layers: How many cross layers come before them.
        dropout: Share of values set to 0 in training: after every hidden layer, or of the output if there is none.
        init_scale: Embeddings start at uniform(-init_scale, init_scale); .05 is the default of Keras.
        sparse: Whether gradients of embedding tables hold only the rows read; pays off for large tables and needs an
            optimizer that takes sparse gradients.

    Raises:
        ConfigError: If a name is not a declared feature, or a width or share is out of range.

    Example:
        >>> import polars as pl
        >>> import torch
        >>> from motet.data.vocab import Vocab
        >>> users = Entities("user_id", Vocab.build(pl.Series(["ada", "bob"]), "user_id"))
        >>> tower = FeatureTower(users, dim=8)
        >>> tower(Batch({"user_id": torch.tensor([1, 2, 0])})).shape
        torch.Size([3, 8])
    """

    ids: Embedding

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
        self.combine = Combine(1 + len(names), dim, hidden=hidden, cross_layers=cross_layers, dropout=dropout)
        self.ids = Embedding(len(entities), dim, init_scale=init_scale, sparse=sparse)
        self.features = Features(entities, names, dim=dim, init_scale=init_scale, sparse=sparse)

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Embed `batch[entities.key]`.

        Args:
            batch: Needs the id column.

        Returns:
            One vector for each row of the batch.
        """
        rows = batch[self.entities.key]
        out: Tensor = self.combine([self.ids(rows), *self.features(rows)])
        return out
