"""GlobalMean: the same number for everyone and everything."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.base import Baseline
from motet.data.log import EventLog
from motet.metrics.base import Metric
from motet.metrics.regression import MAE, RMSE


class GlobalMean(Baseline):
    """The mean of a label over the training rows that carry it.

    Args:
        train: The training log.
        label: The signal to predict.
    """

    name = "global mean"

    def __init__(self, train: EventLog, label: str = "rating") -> None:
        super().__init__(train)
        labels = train.batch()[label]
        self.label = label
        self.mean = labels[~labels.isnan()].mean()

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
