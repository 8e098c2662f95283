"""Ranking: base of the baselines that rank the catalogue."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.baselines.base import USERS, Baseline
from motet.baselines.positives import Positives
from motet.data.log import EventLog
from motet.metrics.base import Metric
from motet.metrics.topk import standard_topk
from motet.tasks.rows import Rows


class Ranking(Baseline):
    """Scores blocks of users and items. Users without a positive get the most popular items.

    Args:
        train: The training log.
        name: Key of its scores and metrics.
        where: Which rows are positives: a condition, or `Rows` with weights and a half-life; all rows if not given.
    """

    def __init__(self, train: EventLog, *, name: str, where: str | Rows | None) -> None:
        super().__init__(train, name=name, where=where)
        counts = torch.bincount(train.batch().items, self.row_weights.double(), minlength=len(train.items))
        self.popularity: Tensor = counts.float()

    @cached_property
    def positives(self) -> Positives:
        """The distinct pairs to learn from."""
        return Positives.of(self.train.batch(), self.row_weights, (len(self.users), len(self.items)))

    @cached_property
    def warm(self) -> Bool[Tensor, " users"]:
        """By user row: whether the user has a positive."""
        return torch.bincount(self.positives.users, minlength=len(self.users)) > 0

    @abstractmethod
    def block(self, users: Int[Tensor, " n"], items: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """Score every user with every item.

        Args:
            users: Distinct user rows. Scores of users without a positive are ignored.
            items: Distinct item rows.

        Returns:
            Scores, higher is better.
        """

    def scores(self, users: Int[Tensor, "*_"], items: Int[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """Score pairs or a block; see `Baseline.scores`."""
        if users.ndim == 2 and users.shape[1] == 1 and items.ndim == 1:
            return self._block(users[:, 0], items)
        users, items = torch.broadcast_tensors(users, items)
        return self._pairs(users.flatten(), items.flatten()).view(users.shape)

    def metrics(self) -> Mapping[str, Metric]:
        """The standard top-k metrics."""
        return standard_topk()

    def _block(self, users: Tensor, items: Tensor) -> Tensor:
        warm = self.warm[users]
        found = self.block(users, items)
        return found if bool(warm.all()) else found.where(warm[:, None], self.popularity[items])

    def _pairs(self, users: Tensor, items: Tensor) -> Tensor:
        """Score pairs as cells of blocks, so that each user is scored once."""
        found = torch.empty(len(users))
        who, row = users.unique(return_inverse=True)
        order = row.argsort()
        ends = torch.bincount(row // USERS).cumsum(0).tolist() if len(row) else []
        for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            cells, first = order[start:end], number * USERS
            what, column = items[cells].unique(return_inverse=True)
            found[cells] = self._block(who[first : first + USERS], what)[row[cells] - first, column]
        return found
