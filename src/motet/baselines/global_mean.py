"""GlobalMean: the same number for everyone and everything."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.base import Baseline
from motet.data.log import EventLog
from motet.errors import DataError, did_you_mean
from motet.metrics.base import Metric
from motet.metrics.regression import MAE, RMSE


class GlobalMean(Baseline):
    """The mean of a label over the training rows that carry it.

    Args:
        train: The training log.
        label: The signal to predict.

    Raises:
        DataError: If the log has no such signal, or not one value of it.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [7, 9], "item_id": ["a", "b"], "rating": [5, 2]})
        >>> GlobalMean(EventLog.read(events, Schema(signals=("rating",)))).predict(7, "b")
        {'global mean': tensor(3.5000)}
    """

    name = "global mean"

    def __init__(self, train: EventLog, label: str = "rating") -> None:
        super().__init__(train)
        if label not in train.schema.signals:
            hint = did_you_mean(label, train.schema.signals)
            raise DataError(f"{label!r} is no signal of the log{hint}; signals: {', '.join(train.schema.signals)}")
        labels = train.columns[label]
        if labels.isnan().all():
            raise DataError(f"not one of {len(train):,} training rows has a value in {label!r}, so it has no mean")
        self.label = label
        self.mean = labels.double().nanmean().float()

    def scores(self, users: Int[Tensor, "*_"], items: Int[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """The mean, everywhere.

        Args:
            users: User rows.
            items: Item rows that broadcast against the users.

        Returns:
            In the label's unit; the shape the two broadcast to.
        """
        return self.mean.expand(torch.broadcast_shapes(users.shape, items.shape))

    def metrics(self) -> Mapping[str, Metric]:
        """RMSE and MAE."""
        return {"rmse": RMSE(), "mae": MAE()}
