"""Popularity: what most users had."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.base import Baseline
from motet.data.log import EventLog
from motet.metrics.base import Metric
from motet.metrics.topk import standard_topk


class Popularity(Baseline):
    """Every item scored by its number of training events, the same for all users.

    Args:
        train: The training log.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [7, 8, 9], "item_id": ["a", "b", "b"]})
        >>> Popularity(EventLog.read(events, Schema())).recommend(7, k=2, exclude_seen=False).ids
        array(['b', 'a'], dtype=object)
    """

    name = "popularity"

    def __init__(self, train: EventLog) -> None:
        super().__init__(train)
        self.counts = torch.bincount(train.batch().items, minlength=len(train.items)).float()

    def scores(self, users: Int[Tensor, "*_"], items: Int[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """The items' counts, whoever the users are.

        Args:
            users: User rows.
            items: Item rows that broadcast against the users.

        Returns:
            Training events; the shape the two broadcast to.
        """
        return self.counts[items].expand(torch.broadcast_shapes(users.shape, items.shape))

    def metrics(self) -> Mapping[str, Metric]:
        """The standard top-k metrics."""
        return standard_topk()
