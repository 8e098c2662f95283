"""Encoders: embed one declared feature of the users or the items, given entity rows.

An encoder holds the feature's column as a buffer, so that it embeds an entity by its row alone. The column comes with
the entities, so it is not part of the saved state. `Features` combines the encoders of all features that a tower reads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from motet.data.entities import Bag, Codes, Entities, Numbers, gather_bags
from motet.data.schema import Numeric, Timestamp
from motet.data.visitors import Visitors
from motet.errors import ConfigError, check_types, did_you_mean
from motet.layers import BagEmbedding, BucketEmbedding, Embedding, NumberEmbedding, TimestampEmbedding
from motet.layers.precision import Exact
from motet.towers.twin import twin, with_column


class Encoder(nn.Module, ABC):
    """Embeds one feature."""

    @abstractmethod
    def forward(self, rows: Int[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """Embed the feature of each entity.

        Args:
            rows: Entity rows.

        Returns:
            One vector per row.
        """

    def fit(self, rows: Int[Tensor, " n"]) -> None:
        """Standardise on the entities seen in training, if the feature is numeric.

        Args:
            rows: The distinct entities of the training rows.
        """


class CodeEncoder(Encoder):
    """A categorical feature.

    Args:
        column: The category of every entity.
        dim: Width of the vectors.
        init_scale: Largest absolute weight at the start.
        sparse: Whether the table's gradient is sparse.
    """

    codes: Tensor

    def __init__(self, column: Codes, *, dim: int, init_scale: float, sparse: bool) -> None:
        super().__init__()
        self.register_buffer("codes", column.rows, persistent=False)
        self.embedding = Embedding(len(column.vocab), dim, init_scale=init_scale, sparse=sparse)

    def forward(self, rows: Int[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """The vector of each entity's category."""
        out: Tensor = self.embedding(self.codes[rows])
        return out


class BagEncoder(Encoder):
    """A multi-valued or text feature: the mean of the vectors of its values.

    Args:
        column: The values of every entity.
        dim: Width of the vectors.
        init_scale: Largest absolute weight at the start.
        sparse: Whether the table's gradient is sparse.
    """

    codes: Tensor
    offsets: Tensor

    def __init__(self, column: Bag, *, dim: int, init_scale: float, sparse: bool) -> None:
        super().__init__()
        self.register_buffer("codes", column.rows, persistent=False)
        self.register_buffer("offsets", column.offsets, persistent=False)
        self.embedding = BagEmbedding(len(column.vocab), dim, init_scale=init_scale, sparse=sparse)

    def forward(self, rows: Int[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """The mean vector of each entity's values."""
        values, starts, _ = gather_bags(self.offsets, rows)
        out: Tensor = self.embedding(self.codes[values], starts)
        return out


class NumberEncoder(Exact, Encoder):
    """A numeric feature, or a timestamp.

    Args:
        column: The number of every entity; NaN if unknown.
        embedding: Embeds the numbers.
    """

    values: Tensor

    def __init__(self, column: Numbers, embedding: NumberEmbedding | BucketEmbedding | TimestampEmbedding) -> None:
        super().__init__()
        self.register_buffer("values", column.values, persistent=False)
        self.exact = ("values",) if column.values.dtype == torch.float64 else ()
        self.embedding = embedding
        embedding.fit(column.values, final=False)

    def fit(self, rows: Int[Tensor, " n"]) -> None:
        """Standardise on the entities seen in training, instead of the whole table."""
        self.embedding.fit(self.values[rows])

    def forward(self, rows: Int[Tensor, " batch"]) -> Float[Tensor, "batch dim"]:
        """The vector of each entity's number."""
        out: Tensor = self.embedding(self.values[rows])
        return out


class Features(nn.Module):
    """Embeds several declared features of the users or the items.

    Args:
        entities: The users or the items.
        names: The declared features to read.
        dim: Width of the vectors.
        init_scale: Largest absolute weight at the start.
        sparse: Whether gradients of tables are sparse.
    """

    def __init__(self, entities: Entities, names: Iterable[str], *, dim: int, init_scale: float, sparse: bool) -> None:
        super().__init__()
        self.names = list(names)
        # A list, not a dictionary: a column may have any name, a module may not.
        self.encoders = nn.ModuleList(
            encoder(entities, name, dim=dim, init_scale=init_scale, sparse=sparse) for name in self.names
        )

    def fit(self, rows: Int[Tensor, " n"]) -> None:
        """Standardise numbers on the entities of the training rows; only the first call does.

        Args:
            rows: The entity of each training row.
        """
        seen = torch.unique(rows)
        for encode in cast(Iterable[Encoder], self.encoders):
            encode.fit(seen)

    def for_visitors(self, visitors: Visitors) -> Features:
        """Copy the encoders with the features of visitors.

        Args:
            visitors: The visitors, with all these features.

        Returns:
            A copy with the same weights, whose rows are the visitors.
        """
        pairs = zip(cast(Iterable[Encoder], self.encoders), self.names, strict=True)
        return twin(
            self, encoders=nn.ModuleList(with_column(encode, visitors.features[name]) for encode, name in pairs)
        )

    def forward(self, rows: Int[Tensor, " batch"]) -> list[Tensor]:
        """Embed every feature of each entity.

        Args:
            rows: Entity rows.

        Returns:
            One tensor per feature, of shape [batch, dim].
        """
        return [encode(rows) for encode in self.encoders]


def encoder(entities: Entities, name: str, *, dim: int, init_scale: float, sparse: bool) -> Encoder:
    """Create the encoder for a declared feature.

    Args:
        entities: The users or the items.
        name: The feature's column.
        dim: Width of the vectors.
        init_scale: Largest absolute weight at the start.
        sparse: Whether gradients of tables are sparse.

    Returns:
        The encoder of the feature's kind.
    """
    column = entities.features[name]
    if isinstance(column, Codes):
        return CodeEncoder(column, dim=dim, init_scale=init_scale, sparse=sparse)
    if isinstance(column, Bag):
        return BagEncoder(column, dim=dim, init_scale=init_scale, sparse=sparse)
    kind = entities.kinds[name]
    if isinstance(kind, Timestamp):
        return NumberEncoder(column, TimestampEmbedding(dim, init_scale=init_scale))
    if isinstance(kind, Numeric) and kind.buckets is not None:
        return NumberEncoder(column, BucketEmbedding(dim, kind.buckets, init_scale=init_scale))
    return NumberEncoder(column, NumberEmbedding(dim, init_scale=init_scale))


def chosen(entities: Entities, features: Iterable[str] | None) -> list[str]:
    """Check the names of the features that a tower reads.

    Args:
        entities: The users or the items.
        features: Names of declared features; None for all of them.

    Returns:
        The names, in the order given or declared.

    Raises:
        ConfigError: If the entities are something else, or a name is not a declared feature or is given twice.
    """
    check_types(Entities, "pass log.users or log.items", entities=entities)
    declared = list(entities.features)
    if features is None:
        return declared
    names = list(features)
    for name in names:
        if name not in declared:
            hint = did_you_mean(name, declared)
            listed = ", ".join(declared) or "none"
            raise ConfigError(f"{name!r} is not a feature of {entities.key!r}{hint} Declared features: {listed}.")
        if names.count(name) > 1:
            raise ConfigError(f"feature {name!r} of {entities.key!r} is named twice; name it once")
    return names
