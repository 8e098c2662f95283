"""Baseline: a rule that a model has to beat, asked in the same way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.data.history import History
from motet.data.log import EventLog
from motet.data.lookup import Ids, known_rows, listed
from motet.errors import ConfigError
from motet.index import TopK
from motet.index.exact import best
from motet.metrics.base import Metric


class Recommends(Protocol):
    """What can be asked of a `Recommender` and of a baseline alike."""

    def recommend(
        self, users: Ids, k: int = 10, *, exclude_seen: bool = True, exclude: Ids = (), only: Ids | None = None
    ) -> TopK:
        """The k best allowed items of each user."""
        ...

    def predict(self, users: Ids, items: Ids) -> Mapping[str, Tensor]:
        """Scores of pairs by task."""
        ...


class Baseline(ABC):
    """A rule fitted on training rows.

    Args:
        train: The training log.

    Attributes:
        name: The key of its scores and figures.
        label: The signal it predicts; None where it ranks the catalogue.
    """

    name: str
    label: str | None = None

    def __init__(self, train: EventLog) -> None:
        self.users = train.users
        self.items = train.items
        self._history = History.of(train.batch(), len(train.users), len(train.items))

    @abstractmethod
    def scores(self, users: Int[Tensor, "*_"], items: Int[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """Scores by rows: of pairs, or of every user with every item.

        Args:
            users: User rows; `[n]` for pairs, `[n, 1]` for a block.
            items: Item rows that broadcast against the users.

        Returns:
            Higher is better; the shape the two broadcast to.
        """

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """Fresh metrics for an evaluation, by the name they are reported under."""

    def recommend(
        self, users: Ids, k: int = 10, *, exclude_seen: bool = True, exclude: Ids = (), only: Ids | None = None
    ) -> TopK:
        """The k best allowed items of each user.

        Args:
            users: One id, for a 1-D answer, or many, for a 2-D one.
            k: How many items.
            exclude_seen: Whether to leave out the items the user had in training.
            exclude: Items that must not be recommended.
            only: Items that may be recommended; all where not given.

        Returns:
            min(k, allowed) items for each user.

        Raises:
            ConfigError: If k is 0 or above the number of items.
            DataError: If `exclude` or `only` names an unknown item.
        """
        if not 1 <= k < len(self.items):
            raise ConfigError(f"k={k}; it must be at least 1 and at most {len(self.items) - 1:,}, the number of items")
        ids, single = listed(users)
        rows = self.users.vocab.encode(ids)
        scores = self.scores(rows[:, None], torch.arange(len(self.items))).clone()
        scores[:, 0] = -torch.inf  # the unknown item
        scores[:, known_rows(self.items, listed(exclude)[0], "item")] = -torch.inf
        if only is not None:
            kept = known_rows(self.items, listed(only)[0], "item")
            scores = torch.full_like(scores, -torch.inf).index_copy_(1, kept, scores[:, kept])
        if exclude_seen:
            scores[self._history.of_users(rows)] = -torch.inf
        top, found = best(scores, k)
        width = int(top.isfinite().sum(1).max()) if len(top) else 0
        top, found = top[:, :width], found.masked_fill(top.isinf(), 0)[:, :width]
        named = np.array(self.items.vocab.decode(found.flatten()).to_list(), dtype=object).reshape(found.shape)
        line = 0 if single else slice(None)
        return TopK(named[line], top[line], {self.name: top[line]}, rows[line] > 0)

    def predict(self, users: Ids, items: Ids) -> dict[str, Float[Tensor, " pairs"]]:
        """Scores of pairs, in order.

        Args:
            users: User ids.
            items: As many item ids.

        Returns:
            One score a pair, under the baseline's name.

        Raises:
            DataError: If an item is unknown.
            ConfigError: If there are not as many users as items.
        """
        user_rows = self.users.vocab.encode(listed(users)[0])
        item_rows = known_rows(self.items, listed(items)[0], "item")
        if len(user_rows) != len(item_rows):
            raise ConfigError(f"{len(user_rows)} users and {len(item_rows)} items make no pairs; give as many of both")
        return {self.name: self.scores(user_rows, item_rows)}
