"""ContextTower: ids, declared features, and columns of the event itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motet.arguments import made_by
from motet.data.batch import Batch, Columns
from motet.data.entities import Entities, Numbers
from motet.data.log import EventLog
from motet.data.schema import Categorical, Feature, Numeric, Timestamp
from motet.data.visitors import Visitors
from motet.errors import ConfigError, DataError, did_you_mean
from motet.layers import BucketEmbedding, Combine, Embedding, NumberEmbedding, TimestampEmbedding
from motet.layers.precision import Exact
from motet.towers.encoders import Features, chosen
from motet.towers.featured import FeaturedTower

Kind = int | str


def context_columns(log: EventLog, names: Iterable[str] | None = None) -> dict[str, Kind]:
    """The context columns of a log and how to read them, for a `ContextTower`.

    Args:
        log: Its schema declares the context features.
        names: Which of them, and the time column if the tower is to read it too; None for all context features.

    Returns:
        By column: the number of categories (the unknown included), "numeric", "8 buckets" or "timestamp".

    Raises:
        ConfigError: If a name is neither a declared context feature nor the time column.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Categorical, Schema
        >>> events = pl.DataFrame({"user_id": [7, 9], "item_id": [1, 2], "device": ["tv", "phone"]})
        >>> log = EventLog.read(events, Schema(context_features={"device": Categorical()}))
        >>> context_columns(log)
        {'device': 3}
    """
    time = {} if log.schema.time is None else {log.schema.time: Timestamp()}
    declared = {**log.schema.context_features, **({} if names is None else time)}
    kinds: dict[str, Kind] = {}
    for name in declared if names is None else names:
        if name not in declared:
            hint = did_you_mean(name, declared)
            listed = ", ".join(log.schema.context_features) or "none"
            raise ConfigError(
                f"{name!r} is not a context feature{hint} Declared context features: {listed}; time column: "
                f"{log.schema.time or 'none'}."
            )
        match declared[name]:
            case Numeric(buckets):
                kinds[name] = "numeric" if buckets is None else f"{buckets} buckets"
            case Timestamp():
                kinds[name] = "timestamp"
            case _:
                kinds[name] = len(log.vocabs[name])
    return kinds


class ContextTower(Exact, FeaturedTower):
    """A `FeatureTower` that also reads columns of the event: the device, the hour, the price that was shown.

    Rows of equal ids may have different vectors, so every row of a batch is embedded separately. A request can give the
    columns that the tower of the users reads, among the features. For one that it lacks, and for all that the tower of
    the items reads, the usual value in the training rows counts, which is saved with the weights: the most frequent
    category, the mean number, or the latest time.

    Args:
        entities: The users or the items.
        context: Columns of the batch and how to read them, as `context_columns(log)` says: the number of categories,
            "numeric", "8 buckets" (or any other number) or "timestamp". The log's time column may be one of them.
        dim: Width of the vectors.
        features: Names of the entities' features to read. None reads every declared one, `()` none.
        hidden: Widths of the hidden layers. Without hidden and cross layers all vectors are summed.
        cross_layers: How many cross layers come before them.
        dropout: Share of values set to 0 in training: after every hidden layer, or of the output if there is none.
        init_scale: Embeddings start at uniform(-init_scale, init_scale).

    Raises:
        ConfigError: If there is no context, a kind is not one of these, a name is not a declared feature, or a width or
            share is out of range.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Categorical, Schema
        >>> events = pl.DataFrame({"user_id": [7, 7], "item_id": [1, 2], "device": ["tv", "phone"]})
        >>> log = EventLog.read(events, Schema(context_features={"device": Categorical()}))
        >>> tower = ContextTower(log.users, context=context_columns(log), dim=8)
        >>> on_tv, on_phone = tower(log.batch())
        >>> bool((on_tv == on_phone).all())
        False
    """

    ids: Embedding
    usual: Tensor
    exact = ("usual",)
    remembers = True

    @made_by(context="context_columns(log), or of some columns context_columns(log, ['device'])")
    def __init__(
        self,
        entities: Entities,
        *,
        context: Mapping[str, Kind],
        dim: int = 32,
        features: Iterable[str] | None = None,
        hidden: Sequence[int] = (),
        cross_layers: int = 0,
        dropout: float = 0.0,
        init_scale: float = 0.05,
    ) -> None:
        super().__init__()
        names = chosen(entities, features)
        self.entities = entities
        self.reads = tuple(names)
        self.dim = dim
        self.context = tuple(context)
        self.kinds = dict(context)
        self.given: dict[str, Tensor] = {}  # values of a request, one for each visitor
        self._config = {
            "context": self.kinds,
            "dim": dim,
            "features": names,
            "hidden": list(hidden),
            "cross_layers": cross_layers,
            "dropout": dropout,
            "init_scale": init_scale,
        }
        if not context:
            raise ConfigError("a ContextTower needs at least one context column; name one, or use a FeatureTower")
        parts = 1 + len(names) + len(context)
        self.combine = Combine(parts, dim, hidden=hidden, cross_layers=cross_layers, dropout=dropout)
        self.ids = Embedding(len(entities), dim, init_scale=init_scale)
        self.features = Features(entities, names, dim=dim, init_scale=init_scale, sparse=False)
        self.events = nn.ModuleList(_embedding(name, kind, dim, init_scale) for name, kind in context.items())
        self.reads_context = {name: _feature(kind) for name, kind in context.items()}
        unknown = [0.0 if isinstance(kind, int) else torch.nan for kind in context.values()]
        self.register_buffer("usual", torch.tensor(unknown, dtype=torch.float64))

    def prepare(self, train: Columns) -> None:
        """Keep the usual values, and standardise numbers on the training rows; only the first call standardises.

        Args:
            train: The training log.

        Raises:
            DataError: If a context column is absent, or not of its kind.
        """
        batch = train.batch()
        for name, kind in self.kinds.items():
            _check_column(batch, name, kind)
        super().prepare(train)
        for place, (name, embed) in enumerate(zip(self.context, self.events, strict=True)):
            self.usual[place] = _usual(batch[name], self.kinds[name])
            if isinstance(embed, NumberEmbedding | BucketEmbedding | TimestampEmbedding):
                embed.fit(batch[name])

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Embed `batch[entities.key]` in the context of each row.

        Args:
            batch: Needs the id column and, in training, the context columns; category 0 and NaN are unknown values.

        Returns:
            One vector for each row of the batch.

        Raises:
            DataError: If a context column is absent in training.
        """
        absent = [name for name in self.context if name not in batch]
        if absent and self.training:
            raise DataError(
                f"the tower of {self.entities.key!r} reads the context column {absent[0]!r}, which is not in the "
                f"batch; give each of {', '.join(self.context)}, 0 or NaN where unknown"
            )
        rows = batch[self.entities.key]
        events = [embed(self._column(batch, place)) for place, embed in enumerate(self.events)]
        out: Tensor = self.combine([self.ids(rows), *self.features(rows), *events])
        return out

    def for_visitors(self, visitors: Visitors) -> Self:
        """A twin that embeds visitors in the context of their request; see `Tower.for_visitors`."""
        copied = super().for_visitors(visitors)
        told = {name: visitors.features[name] for name in self.context if name in visitors.features}
        copied.given = {
            name: column.values if isinstance(column, Numbers) else column.rows for name, column in told.items()
        }
        return copied

    def _column(self, batch: Batch, place: int) -> Tensor:
        """A context column, or else the values of the request, and the usual value where it is unknown."""
        name = self.context[place]
        if name in batch:
            return batch[name]
        kind, values = self.kinds[name], self.usual[place].expand(len(batch))
        if name in self.given:
            given = self.given[name].to(values.device)[batch[self.entities.key]]
            known = (given > 0) & (given < kind) if isinstance(kind, int) else ~given.isnan()
            values = given.double().where(known, values)
        return values.long() if isinstance(kind, int) else values


def _feature(kind: Kind) -> Feature:
    if isinstance(kind, int):
        return Categorical()
    return Timestamp() if kind == "timestamp" else Numeric()


def _check_column(batch: Batch, name: str, kind: Kind) -> None:
    how = "context_columns(log) says how to read each column"
    if name not in batch:
        raise DataError(
            f"a ContextTower reads the context column {name!r}, which is not in the log"
            f"{did_you_mean(name, batch.columns)} Columns: {', '.join(batch.columns)}."
        )
    values, coded = batch[name], name in batch.vocabs
    if isinstance(kind, int) and (values.is_floating_point() or int(values.max()) >= kind):
        held = "numbers" if values.is_floating_point() else f"codes up to {int(values.max())}"
        raise DataError(f"a ContextTower reads {name!r} as {kind} categories, and it holds {held}; {how}")
    if not isinstance(kind, int) and coded:
        raise DataError(f"a ContextTower reads {name!r} as {kind!r}, and it holds categories; {how}")


def _usual(values: Tensor, kind: Kind) -> Tensor:
    """The value to use for a column that a request lacks."""
    known = values[values > 0] if isinstance(kind, int) else values[~values.isnan()].double()
    if not len(known):
        return torch.tensor(0.0 if isinstance(kind, int) else torch.nan)
    if isinstance(kind, int):
        return torch.bincount(known).argmax()
    return known.max() if kind == "timestamp" else known.mean()


def _embedding(name: str, kind: Kind, dim: int, init_scale: float) -> nn.Module:
    match kind:
        case "numeric":
            return NumberEmbedding(dim, init_scale=init_scale)
        case "timestamp":
            return TimestampEmbedding(dim, init_scale=init_scale)
        case str() if (buckets := kind.removesuffix(" buckets")).isdecimal() and kind != buckets and int(buckets) > 1:
            return BucketEmbedding(dim, int(buckets), init_scale=init_scale)
        case int() if kind > 0:
            return Embedding(kind, dim, init_scale=init_scale)
    raise ConfigError(
        f"context column {name!r} has the kind {kind!r}; give its number of categories, 'numeric' or 'timestamp': "
        "context_columns(log) reads them from the log"
    )
