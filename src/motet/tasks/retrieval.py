"""Retrieval: find, among all items, those the user interacts with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motet.data.batch import Batch, Columns
from motet.errors import ConfigError
from motet.layers.mlp import linear
from motet.losses.softmax import pair_scores, softmax_loss
from motet.metrics.base import Metric
from motet.metrics.topk import standard_topk
from motet.tasks.base import CorpusTask
from motet.tasks.pool import InBatch, Pool
from motet.towers.base import Tower


class Retrieval(CorpusTask):
    r"""Every row is a positive; the softmax sets it against the other items of a pool.

    $$ s(u, i) = \max_h \frac{q_h(u) \cdot v(i)}{\tau} + b_i, \qquad
       \ell = \log \sum_{c \in pool} e^{s(u, c) - \log Q(c)} - \big( s(u, i) - \log Q(i) \big) $$

    Args:
        name: Key of its loss, metrics, score and weight.
        pool: Where negatives come from: `InBatch` (the default, with the log-q correction) or `Catalogue`.
        heads: Query vectors a user, of which the best counts for each item.
        temperature: Divides the scores; below 1 it sharpens them.
        learn_temperature: Whether the temperature is trained, starting from the one given.
        item_bias: Whether each item has a learned bias; it starts at the log of its training count.
        weight: Column of row weights; all rows count the same where not given.
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
        pool: Pool | None = None,
        heads: int = 1,
        temperature: float = 1.0,
        learn_temperature: bool = False,
        item_bias: bool = False,
        weight: str | None = None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__(name, weight=weight, reduction=reduction)
        if heads < 1:
            raise ConfigError(f"heads={heads}; a user needs at least one query vector")
        if temperature <= 0:
            raise ConfigError(f"temperature={temperature}; it divides the scores, so it must be positive")
        self.pool = InBatch() if pool is None else pool
        self.heads = heads
        self.temperature = temperature
        self.learn_temperature = learn_temperature
        self.item_bias = item_bias
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)), requires_grad=learn_temperature)

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
        self.pool.prepare(train, len(user.entities), len(item.entities))
        if self.bias is not None and not self.prepared:
            counts = torch.bincount(train.batch().items, minlength=len(self.bias)).float()
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
        """The softmax loss of each row, worked out on the distinct users and items of the batch.

        Args:
            user: User vectors.
            item: Item vectors.
            batch: The rows they belong to.

        Returns:
            One loss a row.
        """
        if isinstance(self.pool, InBatch) and self.pool.score_mask is not None:
            batch = batch.separate(batch.user_key, batch.item_key)
        users = batch.distinct_users
        pool = self.pool.draw(batch, item, self._embed)
        return softmax_loss(
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
