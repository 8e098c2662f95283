"""Ordinal: predicts a level on an ordered scale whose steps need not be equal, such as stars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motet.data.batch import Batch, Columns
from motet.errors import ConfigError, DataError
from motet.layers.embedding import Embedding
from motet.layers.mlp import MLP
from motet.losses.ordinal import cumulative_link
from motet.metrics.base import Metric
from motet.metrics.regression import MAE, RMSE
from motet.tasks.base import at_rows
from motet.tasks.label import Label
from motet.tasks.labels import named_row
from motet.tasks.pair import Inputs, PairTask
from motet.tasks.rows import Rows
from motet.tasks.unit import Unit
from motet.towers.base import Tower

MOST = 100  # levels of a scale; a label with more values is a number
CLOSEST = 0.01  # least initial distance of two thresholds, for a level without training rows


class Ordinal(PairTask):
    r"""An ordinal regression on the vectors of user and item: from 4 to 5 stars may be further than from 2 to 3.

    $$ P(y \le l_k) = \sigma(\theta_k - s), \qquad s = \mathrm{MLP}([u; v; u \odot v]) + b_u + b_i, \qquad
       \hat y = \sum_k l_k \, P(y = l_k) $$

    `product` adds the elementwise product to the input, and `biases` adds the biases. The thresholds are learned,
    starting from the frequencies of the levels in training. The score is the expected level, in the label's unit.

    Args:
        label: Column of the level, and the name of the task; a `Label` gives another.
        levels: The scale, ascending. By default the values of the label in the training rows.
        where: The rows it learns from: a condition, or `Rows` with weights. By default every row with a label.
        hidden: Widths of the head's hidden layers; empty for a linear head.
        product: Whether the head also sees the elementwise product of the vectors.
        dropout: Share of the head's hidden values set to 0 in training.
        biases: Whether to add a learned bias for each user and each item.

    Raises:
        ConfigError: If there are fewer than two levels, or they do not ascend.

    Source:
        McCullagh, "Regression Models for Ordinal Data", Journal of the Royal Statistical Society B 1980; Koren and
        Sill, "OrdRec: An Ordinal Model for Predicting Personalized Item Rating Distributions", RecSys 2011.
    """

    def __init__(
        self,
        label: str | Label = "rating",
        *,
        levels: Sequence[float] | None = None,
        where: str | Rows | None = None,
        hidden: Sequence[int] = (64,),
        product: bool = False,
        dropout: float = 0.0,
        biases: bool = False,
    ) -> None:
        named = Label.of(label)
        super().__init__(named.name, needs=(named.column,), where=where, product=product)
        if levels is not None and (len(levels) < 2 or not (torch.tensor(levels).diff() > 0).all()):
            raise ConfigError(f"levels={levels!r}; a scale has at least two levels, the lowest first, none twice")
        self.label = label
        self.column = named.column
        self.levels = None if levels is None else tuple(levels)
        self.hidden = tuple(hidden)
        self.dropout = dropout
        self.biases = biases

    def build_head(self, width: int, user: Tower, item: Tower) -> None:
        """Create the head, the thresholds and the biases; see `PairTask.build_head`."""
        self.head = MLP(width, hidden=self.hidden, out_dim=1, dropout=self.dropout)
        self.first = nn.Parameter(torch.zeros(()))
        self.log_gaps = nn.Parameter(torch.zeros(max(0, len(self.levels or ()) - 2)))
        self.user_bias = Embedding(len(user.entities), 1, init_scale=0.0) if self.biases else None
        self.item_bias = Embedding(len(item.entities), 1, init_scale=0.0) if self.biases else None

    def prepare(self, train: Columns) -> None:
        """Read the levels from the labels if none were given, and start the thresholds at their frequencies.

        Args:
            train: The training log.

        Raises:
            DataError: If a label is not one of the levels, or the labels have fewer than 2 or more than 100 levels.
        """
        batch = train.batch()
        known = self.labelled(batch)
        labels = batch[self.column]
        if self.levels is None:
            self.levels = self._found(labels[known])
        scale = labels.new_tensor(self.levels)
        stray = known & ~torch.isin(labels, scale)
        if stray.any():
            row = int(stray.nonzero()[0])
            raise DataError(
                f"column {self.column!r} is {labels[row].item():g} in {named_row(batch, row)}, which is not one of the "
                f"levels {', '.join(f'{level:g}' for level in self.levels)} of task {self.name!r}; correct it, or name "
                "all levels"
            )
        if not self.prepared:
            weights = self.row_weights(batch)[known].double()
            self._start(torch.bincount(torch.bucketize(labels[known], scale), weights, minlength=len(scale)))
        self.prepared.fill_(True)

    @property
    def thresholds(self) -> Float[Tensor, " cuts"]:
        """The boundaries between the levels, ascending."""
        return torch.cat([self.first[None], self.first + self.log_gaps.exp().cumsum(0)])

    def head_loss(self, inputs: Inputs, batch: Batch) -> Float[Tensor, " batch"]:
        """The loss of each labelled row; see `PairTask.head_loss`."""
        labels = batch[self.column]
        rows = self.labelled(batch).nonzero().squeeze(1)
        levels = torch.bucketize(labels[rows], self._scale(labels)).clamp(max=len(self.log_gaps) + 1)
        losses = cumulative_link(
            self._place([part[rows] for part in inputs], batch.take(rows)), levels, self.thresholds
        )
        return at_rows(losses, rows, len(batch))

    def head_score(self, inputs: Inputs, batch: Batch) -> Float[Tensor, "*batch"]:
        """The expected level; see `PairTask.head_score`."""
        scale = self._scale(inputs[0])
        return scale[0] + self._reached(inputs, batch) @ scale.diff()

    def head_parts(self, inputs: Inputs, batch: Batch) -> Mapping[str, Float[Tensor, "*batch"]]:
        """The expected level, and the probability of reaching each level but the lowest; see `Task.parts`."""
        scale, reached = self._scale(inputs[0]), self._reached(inputs, batch)
        levels = dict(zip(self.level_parts, reached.unbind(-1), strict=True))
        return {"": scale[0] + reached @ scale.diff(), **levels}

    @property
    def level_parts(self) -> tuple[str, ...]:
        """The names in `head_parts` of the probability of reaching each level but the lowest: `">= 4"`."""
        return tuple(f">= {level:g}" for level in (self.levels or ())[1:])

    @property
    def unit(self) -> Unit:
        """The label's unit, from the lowest level to the highest."""
        return Unit(self.column, *(() if self.levels is None else (self.levels[0], self.levels[-1])))

    def metrics(self) -> Mapping[str, Metric]:
        """RMSE and MAE, in the label's unit."""
        return {"rmse": RMSE(), "mae": MAE()}

    def _reached(self, inputs: Inputs, batch: Batch) -> Tensor:
        """The probability that each pair reaches each level but the lowest."""
        return (self._place(inputs, batch)[..., None] - self.thresholds).sigmoid()

    def _place(self, inputs: Inputs, batch: Batch) -> Tensor:
        """The position of each pair on the scale of the thresholds."""
        place = self.head(*inputs)
        if self.user_bias is not None and self.item_bias is not None:
            place = place + self.user_bias(batch.users) + self.item_bias(batch.items)
        flat: Tensor = place.squeeze(-1)
        return flat

    def _scale(self, like: Tensor) -> Tensor:
        if self.levels is None:
            raise ConfigError(
                f"task {self.name!r} has no levels yet: train it, call prepare(log), or give them: "
                "levels=(1, 2, 3, 4, 5)"
            )
        return like.new_tensor(self.levels)

    def _found(self, labels: Tensor) -> tuple[float, ...]:
        levels = tuple(labels.unique().tolist())
        if not 2 <= len(levels) <= MOST:
            raise DataError(
                f"column {self.column!r} has {len(levels):,} different values in training, and a scale has 2 to "
                f"{MOST}; name the levels of task {self.name!r}, or predict a number with Rating"
            )
        return levels

    @torch.no_grad()
    def _start(self, counts: Tensor) -> None:
        """Thresholds at which a position of 0 gives the levels their training frequencies."""
        below = counts.double().cumsum(0)
        cuts = ((below[:-1] + 0.5) / (below[-1] + 1)).logit()
        self.first.fill_(cuts[0])
        # The parameter object stays, so that an optimizer made earlier still updates it.
        self.log_gaps.data = cuts.diff().clamp(min=CLOSEST).log().to(self.first)
