"""Retrieval: find, among all items, those the user interacts with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from motet.data.batch import Batch, Columns
from motet.errors import ConfigError, DataError
from motet.layers.mlp import linear
from motet.losses.logsumexp import logsumexp_scores
from motet.losses.softmax import pair_scores, softmax_loss
from motet.metrics.base import Metric
from motet.metrics.topk import standard_topk
from motet.tasks.base import CorpusTask
from motet.tasks.pool import Candidates, InBatch, Pool
from motet.tasks.rows import Rows
from motet.towers.base import Tower


class Retrieval(CorpusTask):
    r"""Rows are positives, which a softmax sets against the other items of a pool; some may be negatives.

    $$ s(u, i) = \max_h \frac{q_h(u) \cdot v(i)}{\tau} + b_i, \qquad
       \ell^+ = -\log \frac{e^{s(u, i) - \log Q(i)}}{\sum_{c \in pool} e^{s(u, c) - \log Q(c)}}, \qquad
       \ell^- = -\log \Big( 1 - \frac{e^{s(u, i)}}{e^{s(u, i)} + \sum_{c \in pool} e^{s(u, c)}} \Big) $$

    Averaged over its rows (not summed), the loss is divided by its value at chance, the log of the pool's size, so
    that a weight means the same whatever the size.

    Args:
        name: Key of its loss, metrics, score and weight.
        positives: Which rows are positives: a condition such as `"event == 'purchase'"` or `"rating >= 4"`, or `Rows`
            with weights; all rows where not given.
        negatives: Which rows push the item away from the user: returns, dislikes. They are never positives.
        pool: Where negatives come from: `InBatch` (the default, with the log-q correction) or `Catalogue`.
        heads: Query vectors a user, of which the best counts for each item.
        temperature: Divides the scores; below 1 it sharpens them. None learns it, starting from 1.
        item_bias: Whether each item has a learned bias; it starts at the log of its training count.
        reduction: How row losses become one: their `"mean"`, or their `"sum"` as in TFRS.

    Raises:
        ConfigError: If `heads` is below 1, the temperature is not positive, or the reduction is unknown.

    Source:
        Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019.
    """

    prepared: Tensor

    def __init__(
        self,
        name: str = "retrieval",
        *,
        positives: str | Rows | None = None,
        negatives: str | Rows | None = None,
        pool: Pool | None = None,
        heads: int = 1,
        temperature: float | None = 1.0,
        item_bias: bool = False,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__(name, where=positives, reduction=reduction)
        if heads < 1:
            raise ConfigError(f"heads={heads}; a user needs at least one query vector")
        if temperature is not None and not temperature > 0:
            raise ConfigError(f"temperature={temperature}; it divides the scores, so it must be positive")
        self.positives = positives
        self.negatives = negatives
        self.pushed = None if negatives is None else Rows.of(negatives)
        self.pool = InBatch() if pool is None else pool
        self.heads = heads
        self.temperature = temperature
        self.item_bias = item_bias
        self.log_temperature = nn.Parameter(
            torch.tensor(math.log(temperature or 1.0)), requires_grad=temperature is None
        )

    def build(self, user: Tower, item: Tower) -> None:
        """Make the projection to several heads, where asked for, and the item biases.

        Args:
            user: The user tower.
            item: The item tower.

        Raises:
            ConfigError: If the towers' widths differ and there is one head, so that no dot product exists.
        """
        if self.heads == 1 and user.dim != item.dim:
            raise ConfigError(
                f"task {self.name!r} takes the dot product of user and item vectors, and their widths differ: "
                f"{user.dim} and {item.dim}; give both towers the same dim"
            )
        self.project = linear(user.dim, self.heads * item.dim) if self.heads > 1 else None
        self.bias = nn.Parameter(torch.zeros(len(item.entities))) if self.item_bias else None
        self.towers = (user, item)  # held in a tuple: their parameters stay the model's alone

    def prepare(self, train: Columns) -> None:
        """Count the training rows: for the log-q correction, the positives to spare, and the first item biases.

        Args:
            train: The training log.
        """
        user, item = self.towers
        batch = train.batch()
        batch = batch.take(self.labelled(batch)) if self.where is not None else batch
        self.pool.prepare(batch, len(user.entities), len(item.entities))
        if self.bias is not None and not self.prepared:
            counts = torch.bincount(batch.items, minlength=len(self.bias)).float()
            with torch.no_grad():
                self.bias.copy_((counts.clamp(min=0.5) / counts.mean()).log())
        self.prepared.fill_(True)

    def queries(self, user: Float[Tensor, "n user_dim"], batch: Batch) -> Float[Tensor, "n *heads width"]:  # noqa: ARG002
        """User vectors divided by the temperature; a last 1 meets the item bias.

        Args:
            user: User vectors.
            batch: Not read.

        Returns:
            One query a row, or `heads` of them.
        """
        vectors = user if self.project is None else self.project(user).unflatten(1, (self.heads, -1))
        vectors = vectors * (-self.log_temperature).exp()
        return vectors if self.bias is None else torch.cat([vectors, torch.ones_like(vectors[..., :1])], -1)

    def candidates(self, item: Float[Tensor, "n item_dim"], batch: Batch) -> Float[Tensor, "n width"]:
        """Item vectors, and the item bias behind them.

        Args:
            item: Item vectors.
            batch: Holds the item rows.

        Returns:
            One vector a row.
        """
        return item if self.bias is None else torch.cat([item, self.bias[batch.items, None]], 1)

    def loss(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """The loss of each row, 0 where it is neither positive nor negative.

        Args:
            user: User vectors.
            item: Item vectors.
            batch: The rows they belong to.

        Returns:
            One loss a row.
        """
        if self.where is None and self.pushed is None:
            return self._attract(user, item, batch)[0]
        losses = torch.zeros_like(user[:, 0])
        positive = self.labelled(batch)
        rows, pushed = positive.nonzero().squeeze(1), self._pushed(batch, positive)
        if len(rows):
            found, pool = self._attract(user[rows], item[rows], batch.take(rows))
            losses = losses.index_add(0, rows, found)
            if len(pushed):
                away = self._repel(user[pushed], item[pushed], batch.take(pushed), pool)
                losses = losses.index_add(0, pushed, away)
        return losses

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the log it reads."""
        pushed = () if self.pushed is None else self.pushed.columns
        return tuple(dict.fromkeys((*super().columns, *pushed)))

    def training_weights(self, batch: Batch) -> Float[Tensor, " batch"]:
        """What each row counts for in the loss: the positives, and the negatives."""
        weights = super().training_weights(batch)
        if self.pushed is None:
            return weights
        return weights + self.pushed.weights(batch) * self.pushed.fading(batch)

    def _pushed(self, batch: Batch, positive: Tensor) -> Tensor:
        """The rows that push; a row must not pull as well."""
        if self.pushed is None:
            return positive.new_empty(0, dtype=torch.int64)
        negative = self.pushed.chosen(batch)
        both = (positive & negative).nonzero()
        if len(both):
            raise DataError(
                f"task {self.name!r} takes {len(both):,} rows for positive and for negative at once; make the "
                f"conditions exclude each other: positives={self.rows.where!r}, negatives={self.pushed.where!r}"
            )
        return negative.nonzero().squeeze(1)

    def _attract(self, user: Tensor, item: Tensor, batch: Batch) -> tuple[Tensor, Candidates]:
        """The softmax loss of each row, worked out on the distinct users and items."""
        if isinstance(self.pool, InBatch) and self.pool.score_mask is not None:
            batch = batch.separate(batch.user_key, batch.item_key)
        users = batch.distinct_users
        pool = self.pool.draw(batch, item, self._embed)
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

    def _repel(self, user: Tensor, item: Tensor, batch: Batch, pool: Candidates) -> Tensor:
        """How likely each row's item still is, next to a pool of which it need not be part."""
        users = batch.distinct_users
        queries = self.queries(user.index_select(0, users.first), batch)
        candidates = self.candidates(pool.vectors, batch.entities(batch.item_key, pool.rows))
        # With the correction the mean over the pool estimates the sum over the catalogue.
        shift = pool.counts.log() - (0 if pool.log_q is None else pool.log_q + pool.counts.sum().log())
        total = logsumexp_scores(queries, candidates, shift.to(candidates.dtype))[users.index]
        losses = F.softplus(self.score(user, item, batch) - total)
        return losses if self.reduction == "sum" else losses / self._chance(pool)

    def _chance(self, pool: Candidates) -> float:
        """What the loss of a positive is when all items are alike."""
        size = int(pool.counts.sum()) if self.pool.hardest is None else 1 + self.pool.hardest
        return math.log(max(size, 2))

    def score(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """The logit of each pair.

        Args:
            user: User vectors.
            item: Item vectors.
            batch: The rows they belong to.

        Returns:
            One score a pair.
        """
        return pair_scores(self.queries(user, batch), self.candidates(item, batch))

    def metrics(self) -> Mapping[str, Metric]:
        """Hit rates at 1, 5, 10, 50 and 100; recall, NDCG and MRR over each user's positives."""
        return standard_topk()

    def _embed(self, rows: Tensor) -> Tensor:
        item = self.towers[1]
        vectors: Tensor = item(Batch({item.entities.key: rows}, item_key=item.entities.key))
        return vectors
