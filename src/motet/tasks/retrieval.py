"""Retrieval: a softmax over items, which trains vectors for finding a user's items among all items.

The loss of a positive row raises the score of its item above the candidates of a pool, and that of a negative row
lowers the score of its item below them.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from motet.data.batch import Batch, Columns
from motet.errors import DataError, check_types
from motet.losses.logsumexp import logsumexp_scores
from motet.losses.softmax import softmax_loss
from motet.tasks.base import at_rows
from motet.tasks.dot import DotTask
from motet.tasks.in_batch import InBatch
from motet.tasks.pool import Candidates, Pool
from motet.tasks.rows import Rows


class Retrieval(DotTask):
    r"""Trains a dot product to rank the items that a user interacts with above the other items of a pool.

    $$ s(u, i) = \max_h \frac{q_h(u) \cdot v(i)}{\tau} + b_i, \qquad
       \ell^+ = -\log \frac{e^{s(u, i) - \log Q(i)}}{\sum_{c \in pool} e^{s(u, c) - \log Q(c)}}, \qquad
       \ell^- = -\log \Big( 1 - \frac{e^{s(u, i)}}{e^{s(u, i)} + \sum_{c \in pool} e^{s(u, c)}} \Big) $$

    The first loss is that of positives, the second that of `negatives`. With the log-q correction, each term in the sum
    of the second loss is divided by |pool| Q(c), so that the sum estimates that over the catalogue. With
    `reduction="mean"` both losses are divided by the positives' loss at chance, the log of the pool's size, so that a
    weight means the same for any size.

    Args:
        name: Key of its loss, metrics, score and weight.
        positives: The rows that are positives: a condition such as `"event == 'purchase'"` or `"rating >= 4"`, or
            `Rows` with weights. By default all rows.
        negatives: The rows whose item should score low, such as returns or dislikes; none of them may be a positive.
        pool: Where negatives come from: `InBatch` (the default, with the log-q correction) or `Catalogue`.
        heads: The number of query vectors per user, each from a linear map of this task's own; an item's score is that
            of the best query. 1 gives the task one projection, None uses the user vector as it is.
        temperature: Divides the scores; below 1 it sharpens them. None learns it, starting from 1.
        item_bias: Whether each item has a learned bias; it starts at the log of its training count.
        reduction: How row losses become one number: their `"mean"`, or their `"sum"` as in TFRS.

    Raises:
        ConfigError: If `heads` is below 1, the temperature is not above 0 and finite, the reduction is unknown, or
            `pool` is no `Pool`.

    Source:
        Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019.
    """

    def __init__(
        self,
        name: str = "retrieval",
        *,
        positives: str | Rows | None = None,
        negatives: str | Rows | None = None,
        pool: Pool | None = None,
        heads: int | None = None,
        temperature: float | None = 1.0,
        item_bias: bool = False,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> None:
        check_types(Pool | None, pool=pool)
        super().__init__(
            name,
            positives=positives,
            heads=heads,
            temperature=temperature,
            item_bias=item_bias,
            reduction=reduction,
        )
        self.negatives = negatives
        self.negative_rows = None if negatives is None else Rows.of(negatives)
        self.pool = InBatch() if pool is None else pool

    def prepare(self, train: Columns) -> None:
        """Collect what the pool needs, and refuse rows that are both positive and negative; see `DotTask.prepare`.

        Args:
            train: The training log.

        Raises:
            DataError: If a row is both.
        """
        super().prepare(train)
        batch = train.batch()
        self._negatives(batch, self.labelled(batch))

    def prepare_positives(self, positives: Batch, users: int, items: int) -> None:
        """Count the positives for the log-q correction, and collect histories; see `DotTask.prepare_positives`."""
        self.pool.prepare(positives, users, items)

    def loss(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """The loss of each row, 0 if it is neither positive nor negative.

        Args:
            user: User vectors.
            item: Item vectors.
            batch: The rows of the vectors.

        Returns:
            One loss per row.
        """
        self.check_prepared()
        positive = self.labelled(batch)
        if self.negative_rows is None and positive.all():
            return self._positive_losses(user, item, batch)[0]
        rows, negatives = positive.nonzero().squeeze(1), self._negatives(batch, positive)
        some, pool = self._positive_losses(user[rows], item[rows], batch.take(rows))
        losses = at_rows(some, rows, len(batch))
        if len(negatives) and len(pool.rows):  # a batch without positives has no items to compare with
            some = self._negative_losses(user[negatives], item[negatives], batch.take(negatives), pool)
            losses = losses + at_rows(some, negatives, len(batch))
        return losses

    @property
    def selections(self) -> tuple[Rows, ...]:
        """The positives, and the negatives if there are any."""
        return (self.rows,) if self.negative_rows is None else (self.rows, self.negative_rows)

    def training_weights(self, batch: Batch) -> Float[Tensor, " batch"]:
        """The weight of each row in the loss, for positives and negatives."""
        weights = super().training_weights(batch)
        if self.negative_rows is None:
            return weights
        return weights + self.negative_rows.weights(batch).where(batch.items > 0, 0.0) * self.negative_rows.decay(batch)

    def _negatives(self, batch: Batch, positive: Tensor) -> Tensor:
        """The positions of the negatives; none of them may be a positive."""
        if self.negative_rows is None:
            return positive.new_empty(0, dtype=torch.int64)
        negative = self.negative_rows.chosen(batch) & (batch.items > 0)
        both = (positive & negative).nonzero()
        if len(both):
            raise DataError(
                f"{len(both):,} rows are both positives and negatives of task {self.name!r}; make the conditions "
                f"exclude each other: positives={self.rows.where!r}, negatives={self.negative_rows.where!r}"
            )
        return negative.nonzero().squeeze(1)

    def _positive_losses(self, user: Tensor, item: Tensor, batch: Batch) -> tuple[Tensor, Candidates]:
        """The softmax loss of each row, computed on the distinct users and items; and the pool."""
        if isinstance(self.pool, InBatch) and self.pool.score_mask is not None:
            batch = batch.separate(batch.user_key, batch.item_key)
        elif self.pool.differs(batch):
            batch = batch.separate(batch.user_key)
        users = batch.distinct_users
        pool = self.pool.draw(batch, item, partial(self._embed, batch))
        losses = softmax_loss(
            self.queries(user.index_select(0, users.first), batch),
            self.candidates(pool.vectors, batch.entities(batch.item_key, pool.rows)),
            pool.positives,
            query_of_row=users.index,
            counts=pool.counts,
            shift=None if pool.log_q is None else -pool.log_q,
            remove_accidental_hits=self.pool.spare != "nothing",
            dropped=self.pool.dropped(batch, pool),
            hard_negatives=self.pool.hardest,
        )
        return (losses if self.reduction == "sum" else losses / self._chance(pool)), pool

    def _negative_losses(self, user: Tensor, item: Tensor, batch: Batch, pool: Candidates) -> Tensor:
        """The loss of each negative row: its item, whether in the pool or not, against the pool."""
        users = batch.distinct_users
        queries = self.queries(user.index_select(0, users.first), batch)
        candidates = self.candidates(pool.vectors, batch.entities(batch.item_key, pool.rows))
        # With the correction the mean over the pool estimates the sum over the catalogue.
        shift = pool.counts.log() - (0 if pool.log_q is None else pool.log_q + pool.counts.sum().log())
        total = logsumexp_scores(queries, candidates, shift.to(candidates.dtype))[users.index]
        losses = F.softplus(self.score(user, item, batch) - total)
        return losses if self.reduction == "sum" else losses / self._chance(pool)

    def _chance(self, pool: Candidates) -> float:
        """The loss of a positive if all items have the same score."""
        size = int(pool.counts.sum())
        if self.pool.hardest is not None:
            size = min(size, 1 + self.pool.hardest)
        return math.log(max(size, 2))
