"""Rating: predicts a number that a user gives an item, such as stars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from motet.data.batch import Batch, Columns
from motet.errors import ConfigError
from motet.layers.embedding import Embedding
from motet.layers.mlp import MLP
from motet.losses.pointwise import pointwise_error
from motet.metrics.base import Metric
from motet.metrics.regression import MAE, RMSE
from motet.tasks.base import at_rows
from motet.tasks.label import Label
from motet.tasks.pair import Inputs, PairTask
from motet.tasks.rows import Rows
from motet.tasks.unit import Unit
from motet.towers.base import Tower


class Rating(PairTask):
    r"""A regression on the vectors of user and item. Rows without a label are left out.

    $$ \hat y = \mathrm{MLP}([u; v; u \odot v]) + \mu + b_u + b_i $$

    `product` adds the elementwise product to the input, and `biases` adds the last three terms. The loss is in the unit
    of the label, as in TFRS: one in the thousands swamps the other tasks, unless it is scaled or gets less weight.

    Args:
        label: Column of the number to predict, and the name of the task; a `Label` gives another.
        error: The error to minimise: `"squared"`, `"absolute"` or `"huber"`.
        hidden: Widths of the head's hidden layers; empty for a linear head. 256 and 128 are those of TFRS.
        product: Whether the head also sees the elementwise product of the vectors.
        biases: Whether to add the training mean and a learned bias for each user and each item.
        dropout: Share of the head's hidden values set to 0 in training.
        clip: Lowest and highest score. `score` clips predictions to this range; training does not.
        where: The rows it learns from: a condition, or `Rows` with weights. By default every row with a label.

    Raises:
        ConfigError: If the error is unknown or `clip` is not a range.

    Source:
        He et al., "Neural Collaborative Filtering", WWW 2017, for the head; Koren et al., "Matrix Factorization
        Techniques for Recommender Systems", Computer 2009, eq. 4, for the biases.
    """

    mean: Tensor
    span: Tensor

    def __init__(
        self,
        label: str | Label = "rating",
        *,
        error: Literal["squared", "absolute", "huber"] = "squared",
        hidden: Sequence[int] = (256, 128),
        product: bool = False,
        biases: bool = False,
        dropout: float = 0.0,
        clip: Sequence[float] | None = None,
        where: str | Rows | None = None,
    ) -> None:
        named = Label.of(label)
        super().__init__(named.name, needs=(named.column,), where=where, product=product)
        self.row_error = pointwise_error(error)
        if clip is not None and not (len(clip) == 2 and clip[0] < clip[1]):
            raise ConfigError(f"clip={clip!r}; it must be (lowest, highest) with lowest < highest")
        self.label = label
        self.column = named.column
        self.error = error
        self.hidden = tuple(hidden)
        self.biases = biases
        self.dropout = dropout
        self.clip = None if clip is None else tuple(clip)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("span", torch.tensor([torch.inf, -torch.inf]))  # lowest and highest label of training

    def build_head(self, width: int, user: Tower, item: Tower) -> None:
        """Create the head and the biases; see `PairTask.build_head`."""
        self.head = MLP(width, hidden=self.hidden, out_dim=1, dropout=self.dropout)
        self.user_bias = Embedding(len(user.entities), 1, init_scale=0.0) if self.biases else None
        self.item_bias = Embedding(len(item.entities), 1, init_scale=0.0) if self.biases else None

    def prepare(self, train: Columns) -> None:
        """Start at the mean label if there are biases, and keep the range of the labels; see `Task.prepare`."""
        batch = train.batch()
        weights = self.row_weights(batch)
        labels, weights = batch[self.column][weights > 0], weights[weights > 0]
        if self.biases and not self.prepared and len(labels):
            self.mean.copy_((labels * weights).sum() / weights.sum())
        if len(labels):
            ends = torch.stack(labels.aminmax()).to(self.span)
            self.span.copy_(torch.stack([self.span[0].minimum(ends[0]), self.span[1].maximum(ends[1])]))
        self.prepared.fill_(True)

    def head_loss(self, inputs: Inputs, batch: Batch) -> Float[Tensor, " batch"]:
        """The error of each labelled row; see `PairTask.head_loss`."""
        labels = batch[self.column]
        known = self.labelled(batch)
        if known.all():
            return self.row_error(self._predict(inputs, batch), labels)
        rows = known.nonzero().squeeze(1)
        errors = self.row_error(self._predict([part[rows] for part in inputs], batch.take(rows)), labels[rows])
        return at_rows(errors, rows, len(batch))

    def head_score(self, inputs: Inputs, batch: Batch) -> Float[Tensor, "*batch"]:
        """The predicted number, in the label's unit; see `PairTask.head_score`."""
        scores = self._predict(inputs, batch)
        return scores if self.clip is None else scores.clamp(*self.clip)

    @property
    def unit(self) -> Unit:
        """The label's unit, with the range of `clip` or, without it, that of the training labels."""
        low, high = self.clip or self.span.tolist()
        return Unit(self.column, low, high) if low <= high else Unit(self.column)

    def metrics(self) -> Mapping[str, Metric]:
        """RMSE and MAE, in the label's unit."""
        return {"rmse": RMSE(), "mae": MAE()}

    def _predict(self, inputs: Inputs, batch: Batch) -> Tensor:
        scores = self.head(*inputs)
        if self.user_bias is not None and self.item_bias is not None:
            scores = scores + self.mean + self.user_bias(batch.users) + self.item_bias(batch.items)
        flat: Tensor = scores.squeeze(-1)
        return flat
