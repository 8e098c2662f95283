"""GlobalMean: predicts the mean for every pair."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.rating import RatingBaseline
from motet.data.log import EventLog
from motet.tasks.rows import Rows


class GlobalMean(RatingBaseline):
    """The mean of a label over the training rows that have it.

    Args:
        train: The training log.
        label: The signal to predict.
        name: Key of its scores and metrics.
        where: Which of the labelled rows to average: a condition, or `Rows` with weights; all if not given.

    Raises:
        DataError: If the log has no such signal, or no value of it.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [7, 9], "item_id": ["a", "b"], "rating": [5, 2]})
        >>> GlobalMean(EventLog.read(events, Schema(signals=("rating",)))).predict(7, "b")
        {'global mean': tensor(3.5000)}
    """

    def __init__(
        self, train: EventLog, label: str = "rating", *, name: str = "global mean", where: str | Rows | None = None
    ) -> None:
        super().__init__(train, label, name=name, where=where)

    def predicted(self, users: Int[Tensor, "*_"], items: Int[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """The mean for every pair; see `RatingBaseline.predicted`."""
        return self.mean.expand(torch.broadcast_shapes(users.shape, items.shape))
