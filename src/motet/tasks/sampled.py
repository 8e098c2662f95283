"""SampledTask: the base of retrieval tasks that compare positives with items drawn from the catalogue."""

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
    """The scores of a batch's positives and of the drawn items.

    Attributes:
        positives: The score of each positive.
        negatives: The scores of the drawn items for each distinct user.
        user: The position of each positive's user among the distinct users.
        log_share: For each item row, the log of its probability of being drawn relative to uniform draws.
    """

    positives: Float[Tensor, " rows"]
    negatives: Float[Tensor, "users draws"]
    user: Int[Tensor, " rows"]
    log_share: Float[Tensor, " items"]


class SampledTask(DotTask):
    r"""Compares the positives of a batch with items drawn from the catalogue.

    All rows of the batch share the draws. The expected loss is that of separate draws for each row, at a lower
    variance, since every row is compared with every draw; and each drawn item is embedded only once.

    Args:
        name: Key of its loss, metrics, score and weight.
        positives: The rows that are positives: a condition, or `Rows` with weights. By default all rows.
        draws: The number of items drawn for a batch, with replacement.
        by: `"uniform"`, or `"popularity"`: in proportion to an item's number of positives plus 1, so that every item
            can be drawn.
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
        """Compute the loss of each positive.

        Args:
            scores: The scores of the positives and of the drawn items.
            batch: The rows of the positives.
            drawn: The drawn item rows.

        Returns:
            One loss per positive; 1 at chance.
        """

    def prepare_positives(self, positives: Batch, users: int, items: int) -> None:
        """Count the positives, and collect the history of each user; see `DotTask.prepare_positives`."""
        counts = torch.bincount(positives.items, minlength=items).float() + 1
        counts[0] = 0  # the unknown item is no negative
        self.register_buffer("popularity", counts / counts.sum(), persistent=False)
        self.history = History.of(positives, users, items)

    def loss(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """The loss of each positive, 0 for all other rows; see `Task.loss`."""
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

    def seen(self, batch: Batch, drawn: Int[Tensor, " draws"]) -> Bool[Tensor, "users draws"]:
        """Look up which drawn items are training positives of each distinct user.

        Args:
            batch: The rows of the positives.
            drawn: The drawn item rows.

        Returns:
            True for items that are not negatives of the user.
        """
        users = batch.distinct_users.rows
        self.history = self.history.to(users.device)
        who, items = self.history.of_users(users)
        distinct, column = drawn.unique(return_inverse=True)
        columns = torch.arange(len(distinct)).to(distinct)
        column_of_item = distinct.new_full((len(self.popularity),), -1).index_copy(0, distinct, columns)
        was_drawn = column_of_item[items] >= 0
        seen = torch.zeros(len(users), len(distinct), dtype=torch.bool, device=users.device)
        seen[who[was_drawn], column_of_item[items[was_drawn]]] = True
        return seen[:, column]

    def _draw(self) -> Tensor:
        if self.by == "popularity":
            return self.popularity.multinomial(self.draws, replacement=True)
        return torch.randint(1, len(self.popularity), (self.draws,), device=self.popularity.device)

    def _log_share(self) -> Tensor:
        if self.by == "uniform":
            return torch.zeros_like(self.popularity)
        return self.popularity.log() + math.log(len(self.popularity) - 1)
