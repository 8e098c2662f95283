"""SampledTask: retrieval tasks that compare a row's item with items drawn from the catalogue."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.batch import Batch
from motet.data.history import History
from motet.errors import ConfigError, did_you_mean
from motet.layers.precision import widened
from motet.tasks.base import at_rows
from motet.tasks.dot import DotTask
from motet.tasks.rows import Rows

By = Literal["uniform", "popularity"]


class Scores(NamedTuple):
    """The model's scores of a batch's positives, and of the items drawn for it."""

    positives: Float[Tensor, " rows"]
    negatives: Float[Tensor, "users draws"]  # of each distinct user
    user: Int[Tensor, " rows"]  # which of them each row belongs to
    log_share: Float[Tensor, " items"]  # log of how often an item row is drawn, relative to uniform draws


class SampledTask(DotTask):
    r"""Compares positives with items drawn from the catalogue, which all rows of the batch share.

    In expectation the loss is that of separate draws for each row, with a lower variance: every row is compared with
    every draw, and a drawn item is embedded once.

    Args:
        name: Key of its loss, metrics, score and weight.
        positives: The rows that are positives: a condition, or `Rows` with weights. By default all rows.
        draws: Items drawn for a batch, with replacement.
        by: Whether items are drawn `"uniform"`ly, or by their `"popularity"` among the positives, with 1 added to every
            count so that any item can be drawn.
        item_bias: Whether each item has a learned bias; it starts at the log of its training count.
        projected: Whether the task has its own linear map from user vector to query, as with `heads=1` in `Retrieval`;
            otherwise the query is the user vector itself.

    Raises:
        ConfigError: If `draws` is below 1 or `by` is neither.
    """

    popularity: Tensor

    def __init__(
        self,
        name: str,
        *,
        positives: str | Rows | None = None,
        draws: int = 128,
        by: By = "uniform",
        item_bias: bool = False,
        projected: bool = False,
    ) -> None:
        super().__init__(name, positives=positives, heads=1 if projected else None, item_bias=item_bias)
        self.projected = projected
        if draws < 1:
            raise ConfigError(f"draws={draws}; it must be at least 1")
        if by not in get_args(By):
            hint = did_you_mean(by, get_args(By))
            raise ConfigError(f"items are drawn by 'uniform' or 'popularity', not by {by!r}{hint}")
        self.draws = draws
        self.by: By = by

    @abstractmethod
    def contrast(self, scores: Scores, batch: Batch, drawn: Int[Tensor, " draws"]) -> Float[Tensor, " rows"]:
        """The loss of each positive.

        Args:
            scores: Of the positives and of the drawn items.
            batch: The rows of the positives.
            drawn: The item rows that were drawn.

        Returns:
            One loss a positive; 1 for a model that scores all items equally.
        """

    def prepare_positives(self, positives: Batch, users: int, items: int) -> None:
        """Count the positives, and collect each user's history; see `DotTask.prepare_positives`."""
        counts = torch.bincount(positives.items, minlength=items).float() + 1
        counts[0] = 0  # the unknown item is no negative
        self.register_buffer("popularity", counts / counts.sum(), persistent=False)
        self.history = History.of(positives, users, items)

    def loss(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """The loss of each positive, 0 elsewhere; see `Task.loss`."""
        self.check_prepared()
        rows = self.labelled(batch).nonzero().squeeze(1)
        some, drawn = batch.take(rows), self._draw()
        users = some.distinct_users
        queries = self.queries(user[rows].index_select(0, users.first), some)
        negatives = self.candidates(self._embed(some, drawn), batch.entities(batch.item_key, drawn))
        scores = Scores(
            (queries[users.index] * self.candidates(item[rows], some)).sum(1),
            widened(queries @ negatives.T),
            users.index,
            self._log_share(),
        )
        losses = self.contrast(scores, some, drawn)
        return at_rows(losses, rows, len(batch))

    def had(self, batch: Batch, drawn: Int[Tensor, " draws"]) -> Bool[Tensor, "users draws"]:
        """Which drawn items each distinct user has among the training positives.

        Args:
            batch: The rows of the positives.
            drawn: The item rows that were drawn.

        Returns:
            True where the item is not a negative for the user.
        """
        users = batch.distinct_users.rows
        self.history = self.history.to(users.device)
        who, items = self.history.of_users(users)
        each, column = drawn.unique(return_inverse=True)
        place = each.new_full((len(self.popularity),), -1).index_copy(0, each, torch.arange(len(each)).to(each))
        was_drawn = place[items] >= 0
        held = torch.zeros(len(users), len(each), dtype=torch.bool, device=users.device)
        held[who[was_drawn], place[items[was_drawn]]] = True
        return held[:, column]

    def _draw(self) -> Tensor:
        if self.by == "popularity":
            return self.popularity.multinomial(self.draws, replacement=True)
        return torch.randint(1, len(self.popularity), (self.draws,), device=self.popularity.device)

    def _log_share(self) -> Tensor:
        if self.by == "uniform":
            return torch.zeros_like(self.popularity)
        return self.popularity.log() + math.log(len(self.popularity) - 1)
