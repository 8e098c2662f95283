"""HashedTower: embeds ids and features whose values share one hashed table of a fixed size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from motet.data.batch import Batch, Columns
from motet.data.entities import Bag, Codes, Entities, Numbers, gather_bags
from motet.data.visitors import Visitors
from motet.errors import ConfigError, did_you_mean
from motet.layers import Combine
from motet.layers.hashed import HashedEmbedding
from motet.towers.base import Tower
from motet.towers.encoders import Encoder, chosen, encoder
from motet.towers.twin import twin, with_column

PROBES = 2  # two tell most values apart


class HashedTower(Tower):
    """A `FeatureTower` with one hashed table for ids, categories, tags and words; its size does not grow with them.

    Each value reads `probes` rows of the table, chosen by the hash functions of its feature, and concatenates them.
    Numbers and timestamps need no table. `hidden` layers can separate values that share a row; without them all vectors
    are summed.

    Args:
        entities: The users or the items.
        rows: Rows of the table, which holds `rows * dim / probes` numbers; or one number for each of several tables,
            which a value reads in turn.
        dim: Width of the vectors.
        features: Names of features to read. None reads every declared one, `()` the id alone.
        probes: How many rows a value reads, a divisor of `dim`; or numbers by column, the id's included: more for
            columns with many values, 2 for those not named.
        hidden: Widths of the hidden layers.
        dropout: Share of values set to 0 in training: after every hidden layer, or of the output if there is none.
        sparse: Whether the table's gradient holds only the rows read.

    Raises:
        ConfigError: If a name is not a declared feature, or a number is out of range.

    Source:
        Coleman et al., "Unified Embedding: Battle-Tested Feature Representations for Web-Scale ML Systems", NeurIPS
        2023.

    Example:
        >>> import polars as pl
        >>> from motet.data.vocab import Vocab
        >>> users = Entities("user_id", Vocab.build(pl.Series(range(10_000)), "user_id"))
        >>> tower = HashedTower(users, rows=500, dim=8)
        >>> sum(parameter.numel() for parameter in tower.parameters())
        2000
    """

    own: Tensor | None = None  # vectors of ids, where they are not those of the table

    def __init__(
        self,
        entities: Entities,
        *,
        rows: int | Sequence[int],
        dim: int = 32,
        features: Iterable[str] | None = None,
        probes: int | Mapping[str, int] = 2,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        names = chosen(entities, features)
        self.entities = entities
        self.reads = tuple(names)
        self.dim = dim
        self._config = {
            "rows": rows if isinstance(rows, int) else list(rows),
            "dim": dim,
            "features": names,
            "probes": probes if isinstance(probes, int) else dict(probes),
            "hidden": list(hidden),
            "dropout": dropout,
            "sparse": sparse,
        }
        self.combine = Combine(1 + len(names), dim, hidden=hidden, dropout=dropout)
        each = _probes_of(probes, [entities.key, *names])
        self.table = HashedEmbedding(rows, dim, features=1 + len(names), probes=each, sparse=sparse)
        self.columns = nn.ModuleList(_column(entities, name, dim) for name in names)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments besides the entities."""
        return dict(self._config)

    def prepare(self, train: Columns) -> None:
        """Standardise numbers on the entities of the training rows; only the first call does.

        Args:
            train: The training log.
        """
        seen = torch.unique(train.batch()[self.entities.key])
        for column in self.columns:
            if isinstance(column, Encoder):
                column.fit(seen)

    def mean_id(self, rows: Int[Tensor, " n"]) -> Float[Tensor, " dim"] | None:
        """The mean vector of some ids."""
        mean: Tensor = self.table(rows, 0).mean(0)
        return mean

    def for_visitors(self, visitors: Visitors) -> Self:
        """Embed visitors by their features and ids; see `Tower.for_visitors`."""
        pairs = zip(self.columns, self.reads, strict=True)
        copied = twin(
            self, columns=nn.ModuleList(with_column(column, visitors.features[name]) for column, name in pairs)
        )
        copied.own = visitors.ids(partial(self.table, feature=0), next(self.table.parameters()).device)
        return copied

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Embed `batch[entities.key]`.

        Args:
            batch: Needs the id column.

        Returns:
            One vector for each row of the batch.
        """
        rows = batch[self.entities.key]
        parts = [self.table(rows, 0) if self.own is None else self.own[rows]]
        for feature, column in enumerate(self.columns, start=1):
            parts.append(column(rows) if isinstance(column, Encoder) else column(rows, self.table, feature))
        out: Tensor = self.combine(parts)
        return out


def _probes_of(probes: int | Mapping[str, int], names: Sequence[str]) -> list[int]:
    """The number of table rows that a value of each column reads."""
    if isinstance(probes, int):
        return [probes] * len(names)
    for name in probes:
        if name not in names:
            hint = did_you_mean(name, names)
            raise ConfigError(
                f"probes names {name!r}, which the tower does not read{hint} Columns: {', '.join(names)}."
            )
    return [probes.get(name, PROBES) for name in names]


class _Categories(nn.Module):
    """The category of every entity."""

    codes: Tensor

    def __init__(self, column: Codes) -> None:
        super().__init__()
        self.register_buffer("codes", column.rows, persistent=False)

    def forward(self, rows: Int[Tensor, " batch"], table: HashedEmbedding, feature: int) -> Float[Tensor, "batch dim"]:
        vectors: Tensor = table(self.codes[rows], feature)
        return vectors


class _Bags(nn.Module):
    """The values of every entity: the mean of their vectors, zero without any."""

    codes: Tensor
    offsets: Tensor

    def __init__(self, column: Bag) -> None:
        super().__init__()
        self.register_buffer("codes", column.rows, persistent=False)
        self.register_buffer("offsets", column.offsets, persistent=False)

    def forward(self, rows: Int[Tensor, " batch"], table: HashedEmbedding, feature: int) -> Float[Tensor, "batch dim"]:
        values, _, sizes = gather_bags(self.offsets, rows)
        vectors: Tensor = table(self.codes[values], feature)
        bag = torch.arange(len(rows), device=rows.device).repeat_interleave(sizes)
        sums = vectors.new_zeros(len(rows), vectors.shape[1]).index_add(0, bag, vectors)
        return sums / sizes.clamp(min=1)[:, None]


def _column(entities: Entities, name: str, dim: int) -> nn.Module:
    match entities.features[name]:
        case Codes() as column:
            return _Categories(column)
        case Bag() as column:
            return _Bags(column)
        case Numbers():
            return encoder(entities, name, dim=dim, init_scale=0.05, sparse=False)
