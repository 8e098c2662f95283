"""Baseline: a rule that a model has to beat, with the same calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.arguments import Checked
from motet.data.history import History
from motet.data.log import EventLog
from motet.data.lookup import Chosen, Ids, check_k, chosen_rows, known_rows, listed, paired
from motet.errors import DataError, check_types
from motet.index import TopK
from motet.index.best import best
from motet.metrics.base import Metric
from motet.tasks.rows import Rows

USERS = 512  # users per block of scores for all items


@runtime_checkable
class Recommends(Protocol):
    """The calls that a `Recommender` and a baseline have in common."""

    def recommend(
        self, users: Ids, k: int = 10, *, exclude_seen: bool = True, exclude: Ids = (), only: Ids | None = None
    ) -> TopK:
        """The k best allowed items of each user."""
        ...

    def predict(self, users: Ids, items: Ids) -> Mapping[str, Tensor]:
        """Scores of pairs by task."""
        ...


class Baseline(Checked, ABC):
    """A rule fitted on training rows.

    Args:
        train: The training log.
        name: Key of its scores and metrics.
        where: Which rows it learns from: a condition such as `"event == 'purchase'"`, or `Rows` with weights and a
            half-life; all rows if not given.

    Attributes:
        label: The signal it predicts; None if it ranks the catalogue.
        row_weights: Weight of each training row; 0 if it is not selected.

    Raises:
        ConfigError: If `train` is no `EventLog`, or the condition cannot be parsed.
        DataError: If the log does not have the columns of the condition, or no row is selected.
    """

    label: str | None = None

    def __init__(self, train: EventLog, *, name: str, where: str | Rows | None) -> None:
        check_types(EventLog, train=train)
        self.users = train.users
        self.items = train.items
        self.train = train
        self.name = name
        self.rows = Rows.of(where)
        batch = train.batch()
        weights = self.rows.weights(batch) * self.rows.decay(batch)
        self.row_weights: Float[Tensor, " rows"] = weights.nan_to_num(0.0).clamp(min=0.0)
        if not self.row_weights.any():
            raise DataError(
                f"none of {len(train):,} training rows is selected by where={self.rows.where!r}; {name!r} has nothing "
                "to learn from"
            )

    @cached_property
    def seen(self) -> History:
        """Items that `exclude_seen` leaves out: all the user had in training, unless something else is assigned."""
        return History.of(self.train.batch(), len(self.users), len(self.items))

    @abstractmethod
    def scores(self, users: Int[Tensor, "*_"], items: Int[Tensor, "*_"]) -> Float[Tensor, "*_"]:
        """Score rows: pairs, or every user with every item.

        Args:
            users: User rows; `[n]` for pairs, `[n, 1]` for a block.
            items: Item rows that broadcast against the users.

        Returns:
            Scores, higher is better, in the broadcast shape.
        """

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """New metrics for an evaluation, by reported name."""

    def recommend(
        self, users: Ids, k: int = 10, *, exclude_seen: bool = True, exclude: Chosen = (), only: Chosen | None = None
    ) -> TopK:
        """The k best allowed items of each user.

        Args:
            users: One id for a 1-D result, or several for a 2-D one.
            k: Number of items.
            exclude_seen: Whether to leave out the items the user had in training.
            exclude: Items that must not be recommended.
            only: Items that may be recommended; all if not given.

        Returns:
            min(k, allowed) items for each user.

        Raises:
            ConfigError: If k is 0 or above the number of items.
            DataError: If `exclude` or `only` names an unknown item.
        """
        check_k(k, len(self.items) - 1, "items")
        ids, single = listed(users)
        rows = self.users.vocab.encode(ids)
        barred = torch.full((len(self.items),), only is not None)
        if only is not None:
            barred[chosen_rows(self.items, only, "item")] = False
        barred[chosen_rows(self.items, exclude, "item")] = True
        barred[0] = True  # the unknown item
        blocks = [self._best(block, k, barred, exclude_seen) for block in rows.split(USERS)]
        scores, items = (torch.cat(part) for part in zip(*blocks, strict=True))
        return self._named(scores, items, rows > 0, 0 if single else slice(None))

    def predict(self, users: Ids, items: Ids) -> dict[str, Float[Tensor, " *pairs"]]:
        """Scores of pairs of user and item.

        Args:
            users: One id or many.
            items: One id or many. A single id is paired with each id of the other side, many are paired in order.

        Returns:
            Under the baseline's name, one number for two single ids, otherwise one for each pair.

        Raises:
            DataError: If an item is unknown.
            ConfigError: If there are many users and a different number of items.
        """
        user_ids, item_ids, single = paired(users, items)
        scores = self.scores(self.users.vocab.encode(user_ids), known_rows(self.items, item_ids, "item"))
        return {self.name: scores[0] if single else scores}

    def _best(self, users: Tensor, k: int, barred: Tensor, exclude_seen: bool) -> tuple[Tensor, Tensor]:
        """Scores and item rows of the k best; scores are -inf if fewer are allowed."""
        scores = self.scores(users[:, None], torch.arange(len(self.items))).masked_fill(barred, -torch.inf)
        if exclude_seen:
            scores[self.seen.of_users(users)] = -torch.inf
        return best(scores, k)

    def _named(self, scores: Tensor, items: Tensor, known: Tensor, line: int | slice) -> TopK:
        """Decode rows to ids, and drop columns that no user fills."""
        allowed = scores > -torch.inf
        width = int(allowed.sum(1).max()) if len(scores) else 0
        scores, items, allowed = scores[:, :width], items[:, :width], allowed[:, :width]
        ids = self.items.vocab.decode_list(items.masked_fill(~allowed, 0).flatten())
        named = np.array(ids, dtype=object).reshape(items.shape)
        own = scores.masked_fill(~allowed, torch.nan)
        basis = np.where(known, "known", "popularity").astype(object)
        return TopK(named[line], scores[line], {self.name: own[line]}, np.asarray(basis[line], dtype=object))
