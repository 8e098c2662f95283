"""Pool: the items that compete with a row's positive in the softmax.

For each batch a pool gives distinct candidates with their vectors, so that the softmax computes the score of a user and
an item once, and counts it as often as the pool holds the item. It also gives the pairs of a user and a candidate that
are masked, because the user likes the candidate. `Catalogue` and `InBatch` are the pools.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from motet.arguments import Checked
from motet.data.batch import Batch, distinct
from motet.data.history import History
from motet.errors import ConfigError, did_you_mean
from motet.losses.logsumexp import Dropped

Spare = Literal["nothing", "same item", "batch", "history"]
Embed = Callable[[Int[Tensor, " n"]], Float[Tensor, "n dim"]]


class Candidates(NamedTuple):
    """The distinct items of a pool.

    If the item tower reads context, the item vectors of a batch differ from row to row (`Batch.apart`). Then every
    batch row is a candidate of its own.

    Attributes:
        rows: The item row of each candidate; repeated only if batch rows are candidates of their own.
        vectors: The vector of each candidate.
        positives: For each batch row, the position of its item among the candidates.
        counts: How many times the pool holds each candidate.
        log_q: Log of the expected share of each candidate in the pool, for the log-q correction; None for none.
    """

    rows: Int[Tensor, " candidates"]
    vectors: Float[Tensor, "candidates dim"]
    positives: Int[Tensor, " batch"]
    counts: Int[Tensor, " candidates"]
    log_q: Float[Tensor, " candidates"] | None = None


class Pool(Checked, nn.Module, ABC):
    """Gives the candidates of a batch, and the pairs of a user and a candidate that are not negatives.

    Args:
        spare: What is not a negative of a row: `"nothing"`, so that all candidates are negatives; other copies of the
            `"same item"` (accidental hits); the user's positives in the `"batch"`; or those in the whole training
            `"history"`. Each includes the ones before it. Unknown users share no positives.
        hardest: The number of negatives to keep per row, those with the highest scores; None keeps all.

    Raises:
        ConfigError: If `spare` is unknown or `hardest` is below 1.
    """

    def __init__(self, *, spare: Spare = "nothing", hardest: int | None = None) -> None:
        super().__init__()
        if spare not in get_args(Spare):
            raise ConfigError(
                f"spare={spare!r} is not one of {', '.join(map(repr, get_args(Spare)))}"
                f"{did_you_mean(spare, get_args(Spare))}"
            )
        if hardest is not None and hardest < 1:
            raise ConfigError(f"hardest={hardest} negatives; it must be at least 1, or None for all")
        self.spare = spare
        self.hardest = hardest

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, those that can be saved with a model."""
        return {"spare": self.spare, "hardest": self.hardest}

    @abstractmethod
    def draw(self, batch: Batch, item: Float[Tensor, "batch dim"], embed: Embed) -> Candidates:
        """Draw the candidates of a batch.

        Args:
            batch: The rows to train on.
            item: Their item vectors.
            embed: Computes the vectors of item rows that are not in the batch.

        Returns:
            Distinct candidates, which include every positive.
        """

    def prepare(self, positives: Batch, users: int, items: int) -> None:
        """Collect the history of every user, if `spare` needs it.

        Args:
            positives: The training rows that are positives.
            users: The number of user rows, including the unknown user.
            items: The number of item rows, including the unknown item.
        """
        if self.spare == "history":
            self.history = History.of(positives, users, items)

    def differs(self, batch: Batch) -> bool:
        """Whether what is spared differs between rows with the same user row.

        Args:
            batch: The rows to train on.

        Returns:
            True if each row spares copies of its own item alone, and they are candidates of their own.
        """
        if self.spare == "nothing" or batch.item_key not in batch.apart:
            return False
        return self.spare == "same item" or not bool(batch.users.all())

    def dropped(self, batch: Batch, candidates: Candidates) -> Dropped | None:
        """The pairs of a distinct user and a candidate that are not negatives.

        Args:
            batch: The rows to train on.
            candidates: The result of `draw`.

        Returns:
            Pairs sorted by user. None if there are none, or only those of a row and its own item: the softmax can count
            that item once by itself.
        """
        if self.spare == "nothing" or (self.spare == "same item" and batch.item_key not in batch.apart):
            return None
        who, columns = _positions(candidates.rows, *self._spared(batch))
        pairs = (who * len(candidates.rows) + columns).unique()
        return Dropped(pairs // len(candidates.rows), pairs % len(candidates.rows))

    def _spared(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The items that are not negatives: the position of the distinct user, and the item."""
        users, apart = batch.distinct_users, batch.user_key in batch.apart
        if self.spare == "batch" and apart:
            return _items_of_same_user(batch)
        shared = batch.users > (-1 if apart else 0)  # what one unknown user likes is a negative of another
        who, items = users.index[shared], batch.items[shared]
        if self.spare == "history":
            self.history = self.history.to(batch.items.device)
            whose, had = self.history.of_users(users.rows)
            return torch.cat([who, whose]), torch.cat([items, had])
        return who, items


def _items_of_same_user(batch: Batch) -> tuple[Tensor, Tensor]:
    """For every row, the items of all rows with the same known user: the position of the row, and the item."""
    each = torch.arange(len(batch), device=batch.users.device)
    users = distinct(batch.users.where(batch.users > 0, -each))
    items = batch.items[users.index.argsort(stable=True)]
    starts = torch.cat([users.counts.new_zeros(1), users.counts.cumsum(0)])
    return History(starts, items).of_users(users.index)


def _positions(candidates: Tensor, who: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """Every place of each item among the candidates, with the item's `who`; an item may have several places or none."""
    order = candidates.argsort(stable=True)
    ordered = candidates[order]
    first, last = torch.searchsorted(ordered, items), torch.searchsorted(ordered, items, right=True)
    pair = torch.repeat_interleave(last - first)
    within = torch.arange(len(pair), device=pair.device) - torch.searchsorted(pair, pair)
    return who[pair], order[first[pair] + within]
