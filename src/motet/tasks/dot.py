"""DotTask: ranks the catalogue by the dot product of a query and a candidate."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from motet.data.batch import Batch, Columns
from motet.errors import ConfigError
from motet.layers.mlp import linear
from motet.layers.precision import widened
from motet.losses.softmax import pair_scores
from motet.metrics.base import Metric
from motet.metrics.topk import standard_topk
from motet.tasks.base import CorpusTask
from motet.tasks.rows import Rows
from motet.towers.base import Tower
from motet.towers.vectors import Vectors


class DotTask(CorpusTask):
    r"""The base of retrieval tasks: queries, candidates, and their dot product as the score.

    $$ s(u, i) = \max_h \frac{q_h(u) \cdot v(i)}{\tau} + b_i, \qquad q_h(u) = W_h u + c_h $$

    Without `heads` the query is the user vector u itself.

    Args:
        name: Key of its loss, metrics, score and weight.
        positives: The rows that are positives: a condition, or `Rows` with weights. By default all rows.
        heads: The number of query vectors per user, each from a linear map of this task's own; an item's score is that
            of the best query. None uses the user vector as it is.
        temperature: Divides the scores; None learns it, starting from 1.
        item_bias: Whether each item has a learned bias.
        reduction: How row losses become one number: their `"mean"` or `"sum"`.

    Raises:
        ConfigError: If `heads` is below 1, the temperature is not above 0 and finite, or the reduction is unknown.
    """

    has_seen_positives = False  # unlike `prepared` not saved, since the statistics are not

    def __init__(
        self,
        name: str,
        *,
        positives: str | Rows | None = None,
        heads: int | None = None,
        temperature: float | None = 1.0,
        item_bias: bool = False,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__(name, where=positives, reduction=reduction)
        if heads is not None and heads < 1:
            raise ConfigError(f"heads={heads}; a user needs at least one query vector")
        if temperature is not None and not 0 < temperature < math.inf:
            raise ConfigError(f"temperature={temperature}; it divides the scores, so it must be above 0 and finite")
        self.positives = positives
        self.heads = heads
        self.temperature = temperature
        self.item_bias = item_bias
        self.log_temperature = nn.Parameter(
            torch.tensor(math.log(temperature or 1.0)), requires_grad=temperature is None
        )

    def build(self, user: Tower, item: Tower) -> None:
        """Create the projection to the heads and the item biases, if the task has any.

        Args:
            user: The user tower.
            item: The item tower.

        Raises:
            ConfigError: If the towers' widths differ and there is no projection, so that no dot product exists.
        """
        if self.heads is None and user.dim != item.dim:
            raise ConfigError(
                f"task {self.name!r} takes the dot product of user and item vectors, and their widths differ: "
                f"{user.dim} and {item.dim}; give both towers the same dim, or the task a projection of its own"
            )
        self.project = None if self.heads is None else linear(user.dim, self.heads * item.dim)
        self.bias = nn.Parameter(torch.zeros(len(item.entities))) if self.item_bias else None
        self.towers = (user, item)  # held in a tuple: their parameters stay the model's alone

    def prepare(self, train: Columns) -> None:
        """Collect statistics of the positives, and initialise the item biases.

        Args:
            train: The training log.
        """
        user, item = self.towers
        batch = train.batch().to(self.log_temperature.device)  # a loop of your own may have moved the model before
        chosen = self.labelled(batch)
        batch = batch if chosen.all() else batch.take(chosen)
        self.prepare_positives(batch, len(user.entities), len(item.entities))
        self.has_seen_positives = True
        if self.bias is not None and not self.prepared:
            counts = torch.bincount(batch.items, minlength=len(self.bias)).float()
            with torch.no_grad():
                self.bias.copy_(self.first_bias(counts))
        self.prepared.fill_(True)

    @abstractmethod
    def prepare_positives(self, positives: Batch, users: int, items: int) -> None:
        """Collect statistics of the training positives.

        Args:
            positives: The training rows that are positives.
            users: The number of user rows, including the unknown user.
            items: The number of item rows, including the unknown item.
        """

    def check_prepared(self) -> None:
        """Refuse a batch before `prepare`, which your own training loop has to call.

        Raises:
            ConfigError: If `prepare` has not been called.
        """
        if not self.has_seen_positives:
            raise ConfigError(
                f"task {self.name!r} has not counted the positives of the training rows; call model.prepare(train) "
                "before the first batch, as fit does"
            )

    def first_bias(self, counts: Float[Tensor, " items"]) -> Float[Tensor, " items"]:
        """Compute the initial item biases: the logs of the counts.

        Args:
            counts: The number of positives of each item row.

        Returns:
            One bias per item row.
        """
        return (counts.clamp(min=0.5) / counts.mean()).log()

    def queries(self, user: Float[Tensor, "*batch user_dim"], batch: Batch) -> Float[Tensor, "... width"]:  # noqa: ARG002
        """User vectors divided by the temperature; a final 1 multiplies the item bias.

        Args:
            user: User vectors.
            batch: Not read.

        Returns:
            One query per row, or `heads` of them.
        """
        vectors = user if self.project is None else widened(self.project(user))
        if self.heads is not None and self.heads > 1:
            vectors = vectors.unflatten(-1, (self.heads, -1))
        vectors = vectors * (-self.log_temperature).exp()
        return vectors if self.bias is None else torch.cat([vectors, torch.ones_like(vectors[..., :1])], -1)

    def candidates(self, item: Float[Tensor, "*batch item_dim"], batch: Batch) -> Float[Tensor, "*batch width"]:
        """Item vectors, with the item bias as a last element.

        Args:
            item: Item vectors.
            batch: Holds the item rows.

        Returns:
            One vector per row.
        """
        return item if self.bias is None else torch.cat([item, self.bias[batch.items, None]], -1)

    def score(
        self, user: Float[Tensor, "... user_dim"], item: Float[Tensor, "*batch item_dim"], batch: Batch
    ) -> Float[Tensor, "*batch"]:
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

    def _embed(self, batch: Batch, rows: Int[Tensor, " n"]) -> Float[Tensor, "n item_dim"]:
        """The vectors of items that need not be in the batch; within a model, all tasks share them."""
        item = self.towers[1]
        embed = batch.embed.get(batch.item_key) or Vectors(item)
        return embed(rows)
