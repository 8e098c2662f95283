"""Popularity: ranks items by their number of events, overall or recent."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.ranking import Ranking
from motet.data.log import EventLog
from motet.errors import ConfigError, DataError
from motet.tasks.rows import DAY_S, Rows


class Popularity(Ranking):
    r"""Scores an item by the number of its training events, the same for all users.

    $$ s_i = \sum_{r : item_r = i} w_r $$

    For recent popularity, let events fade with `where=Rows(half_life_days=30)`, or count only those of `window_days`.

    Args:
        train: The training log.
        name: Key of its scores and metrics.
        where: Which events count: a condition, or `Rows` with weights and a half-life; all events if not given.
        window_days: Count only events in this many days up to the last event of the log; all if not given.

    Raises:
        ConfigError: If the window is not above 0.
        DataError: If the window is given, and the log has no time.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [7, 8, 9], "item_id": ["a", "b", "b"]})
        >>> Popularity(EventLog.read(events, Schema())).recommend(7, k=2, exclude_seen=False).ids
        array(['b', 'a'], dtype=object)
    """

    def __init__(
        self,
        train: EventLog,
        *,
        name: str = "popularity",
        where: str | Rows | None = None,
        window_days: float | None = None,
    ) -> None:
        super().__init__(train, name=name, where=where)
        if window_days is not None:
            late = _late(train, window_days)
            self.popularity = torch.bincount(
                train.batch().items[late], self.row_weights[late].double(), minlength=len(train.items)
            ).float()

    def block(self, users: Int[Tensor, " n"], items: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """Popularity of the items, for every user; see `Ranking.block`."""
        return self.popularity[items].expand(len(users), len(items))


def _late(train: EventLog, window_days: float) -> Tensor:
    if not window_days > 0:
        raise ConfigError(f"window_days={window_days}; it must be above 0, or None for all events")
    if train.schema.time is None:
        raise DataError(f"window_days={window_days} needs the time of events; give the schema its time column")
    times = train.columns[train.schema.time].double()
    return times > times.max() - DAY_S * window_days
