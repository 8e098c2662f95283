"""Factors: base of the matrix factorisations that implicit fits."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines.extra import imported
from motet.baselines.ranking import Ranking
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.tasks.rows import Rows


class Factors(Ranking):
    r"""The score of a pair is the dot product of a user vector and an item vector.

    $$ s_{ui} = p_u \cdot q_i $$

    Args:
        train: The training log.
        name: Key of its scores and metrics.
        where: Which rows are positives.
    """

    def __init__(self, train: EventLog, *, name: str, where: str | Rows | None) -> None:
        super().__init__(train, name=name, where=where)
        self.user_factors = torch.zeros(len(train.users), 0)
        self.item_factors = torch.zeros(len(train.items), 0)

    def block(self, users: Int[Tensor, " n"], items: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """Dot products; see `Ranking.block`."""
        # In double precision: rounding depends on the shape of a product, but scores must not depend on the batch.
        return (self.user_factors[users].double() @ self.item_factors[items].double().T).float()

    def fit(self, model: Any) -> None:
        """Fit a model of implicit and keep its factors.

        Args:
            model: The model, not yet fitted.
        """
        had = self.positives.matrix(type(self).__name__)
        # BLAS on one thread, because implicit runs threads of its own.
        with imported("threadpoolctl", type(self).__name__).threadpool_limits(1, "blas"):
            model.fit(had, show_progress=False)
        self.user_factors = torch.from_numpy(model.user_factors).float()
        self.item_factors = torch.from_numpy(model.item_factors).float()


def check_sizes(**sizes: int) -> None:
    """Check that sizes are at least 1.

    Args:
        **sizes: Size of a vector, passes over the log and the like, by name.

    Raises:
        ConfigError: If one is below 1.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{name}={size}; it must be at least 1")
