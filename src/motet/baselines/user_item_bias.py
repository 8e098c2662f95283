"""UserItemBias: predicts the mean plus a bias of the user and a bias of the item."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.rating import RatingBaseline
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.tasks.rows import Rows

PASSES, SETTLED = 100, 1e-5  # largest number of passes, and the change of biases at which they have converged


class UserItemBias(RatingBaseline):
    r"""The mean plus a bias for each user and each item.

    $$ \hat y_{ui} = \mu + b_u + b_i, \qquad
       b_i = \frac{\sum_r w_r (y_r - \mu - b_u)}{\lambda_i + \sum_r w_r}, \quad
       b_u = \frac{\sum_r w_r (y_r - \mu - b_i)}{\lambda_u + \sum_r w_r} $$

    solved alternately until convergence: a ridge regression on user and item indicators.

    Args:
        train: The training log.
        label: The signal to predict.
        name: Key of its scores and metrics.
        where: Which of the labelled rows to learn from: a condition, or `Rows` with weights; all if not given.
        user_regularization: $\lambda_u$, in rows: a user with this many rows gets half of the mean deviation as bias.
        item_regularization: $\lambda_i$, likewise for items.
        clip: Whether to clip predictions to the range of the training labels.

    Raises:
        ConfigError: If a regularization is negative.
        DataError: If the log has no such signal, or no value of it.

    Source:
        Koren, "Factor in the Neighbors", TKDD 2010, section 2.1; the defaults here are lower, which suits MovieLens.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [1, 1, 2], "item_id": ["a", "b", "a"], "rating": [5, 3, 4]})
        >>> bias = UserItemBias(EventLog.read(events, Schema(signals=("rating",))))
        >>> bool(bias.predict(2, "a")["user + item bias"] > bias.predict(2, "b")["user + item bias"])
        True
    """

    def __init__(
        self,
        train: EventLog,
        label: str = "rating",
        *,
        name: str = "user + item bias",
        where: str | Rows | None = None,
        user_regularization: float = 5.0,
        item_regularization: float = 5.0,
        clip: bool = True,
    ) -> None:
        if min(user_regularization, item_regularization) < 0:
            raise ConfigError(
                f"user_regularization={user_regularization}, item_regularization={item_regularization}; both must be 0 "
                "or above"
            )
        super().__init__(train, label, name=name, where=where, clip=clip)
        rest = self._labels - self.mean
        user, item = (torch.zeros(len(side), dtype=torch.float64) for side in (train.users, train.items))
        for _ in range(PASSES):
            item = self._shift(self._items, rest - user[self._users], len(item), item_regularization)
            before, user = user, self._shift(self._users, rest - item[self._items], len(user), user_regularization)
            if (user - before).abs().max() < SETTLED:
                break
        self.user_bias, self.item_bias = user.float(), item.float()

    def predicted(self, users: Int[Tensor, "*_"], items: Int[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """The mean plus both biases; see `RatingBaseline.predicted`."""
        return self.mean + self.user_bias[users] + self.item_bias[items]

    def _shift(self, rows: Tensor, rest: Tensor, size: int, regularization: float) -> Tensor:
        total = torch.bincount(rows, self._weights * rest, minlength=size)
        count = torch.bincount(rows, self._weights, minlength=size) + regularization
        return total / count.where(count > 0, 1.0)
