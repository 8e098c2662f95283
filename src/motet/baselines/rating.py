"""RatingBaseline: base of the baselines that predict a label."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.base import Baseline
from motet.data.log import EventLog
from motet.errors import DataError, did_you_mean
from motet.metrics.base import Metric
from motet.metrics.regression import MAE, RMSE
from motet.tasks.rows import Rows


class RatingBaseline(Baseline):
    """Predicts a signal in its unit.

    Args:
        train: The training log.
        label: The signal to predict.
        name: Key of its scores and metrics.
        where: Which of the labelled rows to learn from: a condition, or `Rows` with weights and a half-life; all if
            not given.
        clip: Whether to clip predictions to the range of the training labels. This lowers the error a little, and
            creates ties at the ends of the range.

    Attributes:
        mean: Weighted mean of the labels.
        limits: The smallest and the largest label.

    Raises:
        DataError: If the log has no such signal, or no value of it in the selected rows.
    """

    label: str

    def __init__(self, train: EventLog, label: str, *, name: str, where: str | Rows | None, clip: bool = True) -> None:
        super().__init__(train, name=name, where=where)
        if label not in train.schema.signals:
            hint = did_you_mean(label, train.schema.signals)
            raise DataError(f"{label!r} is no signal of the log{hint} Signals: {', '.join(train.schema.signals)}.")
        labels = train.columns[label]
        known = ~labels.isnan() & (self.row_weights > 0)
        if not known.any():
            raise DataError(f"none of {len(train):,} training rows has a value of {label!r}, so there is no mean")
        self.label = label
        self.clip = clip
        batch = train.batch()
        self._users, self._items, self._labels = batch.users[known], batch.items[known], labels[known].double()
        self._weights = self.row_weights[known].double()
        self.mean: Tensor = ((self._weights * self._labels).sum() / self._weights.sum()).float()
        self.limits = (float(self._labels.min()), float(self._labels.max()))

    @abstractmethod
    def predicted(self, users: Int[Tensor, "*_"], items: Int[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """Predict labels by row, before clipping.

        Args:
            users: User rows.
            items: Item rows that broadcast against the users.

        Returns:
            Predictions in the unit of the label, in the broadcast shape.
        """

    def scores(self, users: Int[Tensor, "*_"], items: Int[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """Predicted labels; see `Baseline.scores`."""
        found = self.predicted(users, items)
        return found.clamp(*self.limits) if self.clip else found

    def metrics(self) -> Mapping[str, Metric]:
        """RMSE and MAE."""
        return {"rmse": RMSE(), "mae": MAE()}


def products(
    users: Float[Tensor, "all_users dim"],
    items: Float[Tensor, "all_items dim"],
    user_rows: Int[Tensor, "*_"],
    item_rows: Int[Tensor, "*_"],
    block: int = 4096,
) -> Float[Tensor, "*_"]:
    """Dot products of rows: one matrix product for a block, otherwise pair by pair.

    In double precision: rounding depends on the shape of a product, but predictions must not depend on the batch.

    Args:
        users: Vectors by user row.
        items: Vectors by item row.
        user_rows: User rows; `[n, 1]` for a block.
        item_rows: Item rows that broadcast against the user rows.
        block: Number of pairs whose vectors are gathered at once.

    Returns:
        Products in the broadcast shape of the rows.
    """
    if user_rows.ndim == 2 and user_rows.shape[1] == 1 and item_rows.ndim == 1:
        return (users[user_rows[:, 0]].double() @ items[item_rows].double().T).float()
    who, what = torch.broadcast_tensors(user_rows, item_rows)
    pairs = zip(who.flatten().split(block), what.flatten().split(block), strict=True)
    return torch.cat([(users[one].double() * items[other]).sum(1).float() for one, other in pairs]).view(who.shape)
