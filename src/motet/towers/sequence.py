"""SequenceTower: embeds a user by the sequence of their last items."""

from __future__ import annotations

from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motet.data.batch import Batch, Columns
from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.data.recent import check_recent, latest
from motet.data.visitors import Visitors
from motet.errors import ConfigError, DataError, check_types
from motet.layers import Embedding
from motet.layers.sequence import Encoding, sequence_encoder
from motet.towers.base import Tower
from motet.towers.twin import twin


class SequenceTower(Tower):
    """Encodes the items of a log's `recent` column in order; an empty sequence has a learned vector.

    Each training row is embedded from the items that its user had before it. For serving, `prepare` keeps every user's
    last items at the end of the training log, and rows without the column are embedded from these.

    Args:
        entities: The users.
        items: The log's items, for an embedding table of its own; or the `Embedding` of the item tower, `item.ids`, to
            share it; or the number of item rows. A model that shares the table is saved with two copies, and has two
            separate tables when it is loaded.
        column: The name that `recent(log, length)` gave the column.
        length: The number of items to read, the newest of the column.
        dim: Width of the vectors.
        encoder: `"gru"`, a recurrent network, or `"attention"`, two blocks of causal self-attention.
        heads: Attention heads.
        dropout: Share of values set to 0 in training: of the items' vectors, and in the attention after each step.

    Raises:
        ConfigError: If the entities or items are something else, the shared table has another width, the encoder is
            unknown, the heads cannot share `dim`, or a number is out of range.

    Source:
        Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016; Kang & McAuley,
        "Self-Attentive Sequential Recommendation", ICDM 2018.

    Example:
        >>> import polars as pl
        >>> from motet.data.log import EventLog
        >>> from motet.data.recent import recent
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [7, 7, 7], "item_id": [1, 2, 3], "time": [10, 20, 30]})
        >>> log = recent(EventLog.read(events, Schema(time="time")), 5)
        >>> tower = SequenceTower(log.users, log.items, length=5, dim=8)
        >>> tower.prepare(log)
        >>> tower(log.batch()).shape
        torch.Size([3, 8])
    """

    last: Tensor
    remembers = True
    reads_history = True

    def __init__(
        self,
        entities: Entities,
        items: Entities | Embedding | int,
        *,
        column: str = "recent",
        length: int = 50,
        dim: int = 32,
        encoder: Encoding = "gru",
        heads: int = 2,
        dropout: float = 0.0,
    ) -> None:
        check_types(Entities, "pass log.users or log.items", entities=entities)
        check_types(Entities | Embedding | int, "pass log.items, or item.ids of the item tower", items=items)
        super().__init__()
        self.entities = entities
        self.dim = dim
        self.context = (column,)
        self.length = length
        self.items = items if isinstance(items, Embedding) else Embedding(_rows(items), dim)
        rows, width = self.items.weight.shape
        if width != dim:
            raise ConfigError(
                f"the shared items have vectors of width {width}, and dim={dim}; give both the same width"
            )
        self._config = {
            "items": rows,
            "column": column,
            "length": length,
            "dim": dim,
            "encoder": encoder,
            "heads": heads,
            "dropout": dropout,
        }
        self.encoder = sequence_encoder(encoder, dim, length=length, heads=heads, dropout=dropout)
        self.nothing = nn.Parameter(torch.zeros(dim))
        self.register_buffer("last", torch.zeros(len(entities), length, dtype=torch.int64))

    def config(self) -> dict[str, Any]:
        """The constructor's arguments besides the entities; of the items, their number."""
        return dict(self._config)

    def prepare(self, train: Columns) -> None:
        """Check the column, and keep every user's last items at the end of the log.

        Args:
            train: The training log.

        Raises:
            DataError: If the column is absent, or looks into the future.
        """
        (column,) = self.context
        check_recent(train, name=column)
        self.last.copy_(latest(train, len(self.entities), self.length, name=column))

    def history_where(self, log: EventLog) -> str | None:
        """The condition that `recent` made the column with; see `Tower.history_where`."""
        (column,) = self.context
        where: str | None = log.recents.get(column, {}).get("where")
        return where

    def for_visitors(self, visitors: Visitors) -> Self:
        """A twin that embeds visitors by their last items in the training log, then those that are added."""
        last = self.last[visitors.rows.to(self.last.device)]
        added = torch.bincount(visitors.who, minlength=len(visitors)).tolist()
        for line, items in enumerate(visitors.items.to(last.device).split(added)):
            last[line] = torch.cat([last[line], items])[-self.length :]
        return twin(self, last=last)

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Encode each row's recent items.

        Args:
            batch: Needs the column; or, in evaluation mode, the id column, to embed users as at the end of training.

        Returns:
            One vector for each row of the batch.

        Raises:
            DataError: If the column is absent in training: the items at the end of the log include the row's own.
        """
        (column,) = self.context
        if column in batch:
            rows = batch[column][:, -self.length :]
        elif self.training:
            raise DataError(
                f"the tower of {self.entities.key!r} reads column {column!r}, which is not in the batch; add it to the "
                f"training log: recent(log, {self.length}, name={column!r})"
            )
        else:
            rows = self.last[batch[self.entities.key]]
        known = rows > 0
        states: Tensor = self.encoder(self.items(rows), known)
        return states[:, -1].where(known.any(1, keepdim=True), self.nothing)


def _rows(items: Entities | int) -> int:
    return items if isinstance(items, int) else len(items)
