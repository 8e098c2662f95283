"""Event: predicts the probability of an event, such as a click or a purchase."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from motet.data.batch import Batch, Columns
from motet.errors import ConfigError
from motet.layers.embedding import Embedding
from motet.layers.mlp import MLP
from motet.layers.platt import Platt
from motet.losses.binary import binary_cross_entropy, focal, focal_log_odds
from motet.metrics.auc import AUC
from motet.metrics.base import Metric
from motet.metrics.calibration import ECE
from motet.metrics.log_loss import LogLoss
from motet.tasks.base import at_rows
from motet.tasks.label import Label
from motet.tasks.labels import check_outcomes, log_odds
from motet.tasks.pair import Inputs, PairTask
from motet.tasks.rows import Rows
from motet.tasks.unit import PROBABILITY, Unit
from motet.towers.base import Tower


class Event(PairTask):
    r"""A logistic regression on the vectors of user and item. Rows without a label are left out.

    $$ z = \mathrm{MLP}([u; v; u \odot v]) + b_0 + b_u + b_i, \qquad
       \ell = - w y \log \sigma(z) - (1 - y) \log (1 - \sigma(z)) $$

    `product` adds the elementwise product to the input, and `biases` adds the last two biases; $b_0$ starts at the log
    odds of the training rows. The score is always the probability of the label: it undoes the shift of the logit by a
    weight or the focal loss, and applies the calibration that `motet.calibrate` fitted.

    Args:
        label: Column of the outcome, 0 or 1 (or a probability), and the name of the task; a `Label` gives another.
        where: The rows it learns from: a condition, or `Rows` with weights. By default every row with a label.
        hidden: Widths of the head's hidden layers; empty for a linear head.
        product: Whether the head also sees the elementwise product of the vectors.
        dropout: Share of the head's hidden values set to 0 in training.
        positive_weight: w, the weight of a row with the event relative to one without.
        focal: Gamma of the focal loss, for logs in which most rows are easy; 2 is usual. None for the cross-entropy.
        biases: Whether to add a learned bias for each user and each item.

    Raises:
        ConfigError: If `positive_weight` is not above 0, `focal` is negative, or either is not finite.

    Source:
        Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, for the focal loss and the first bias; King and
        Zeng, "Logistic Regression in Rare Events Data", Political Analysis 2001, for undoing the weight.
    """

    def __init__(
        self,
        label: str | Label,
        *,
        where: str | Rows | None = None,
        hidden: Sequence[int] = (64,),
        product: bool = False,
        dropout: float = 0.0,
        positive_weight: float = 1.0,
        focal: float | None = None,
        biases: bool = False,
    ) -> None:
        named = Label.of(label)
        super().__init__(named.name, needs=(named.column,), where=where, product=product)
        if not 0 < positive_weight < math.inf:
            raise ConfigError(f"positive_weight={positive_weight}; it must be above 0 and finite")
        if focal is not None and not 0 <= focal < math.inf:
            raise ConfigError(f"focal={focal}; gamma must be 0 or more and finite, or None for the cross-entropy")
        self.label = label
        self.column = named.column
        self.hidden = tuple(hidden)
        self.dropout = dropout
        self.positive_weight = positive_weight
        self.focal = focal
        self.biases = biases
        self.platt = Platt()

    def build_head(self, width: int, user: Tower, item: Tower) -> None:
        """Create the head and the biases; see `PairTask.build_head`."""
        self.head = MLP(width, hidden=self.hidden, out_dim=1, dropout=self.dropout)
        self.bias = torch.nn.Parameter(torch.zeros(()))
        self.user_bias = Embedding(len(user.entities), 1, init_scale=0.0) if self.biases else None
        self.item_bias = Embedding(len(item.entities), 1, init_scale=0.0) if self.biases else None

    def prepare(self, train: Columns) -> None:
        """Check the labels, and start the bias at their log odds.

        Args:
            train: The training log.

        Raises:
            DataError: If a label lies outside [0, 1].
        """
        batch = train.batch()
        known = self.labelled(batch)
        labels = batch[self.column]
        check_outcomes(self.name, self.column, known, batch)
        if not self.prepared:
            # A probability y stands for a positive of weight w y and a negative of weight 1 - y.
            both = 1 + (self.positive_weight - 1) * labels[known]
            with torch.no_grad():
                self.bias.copy_(log_odds(1 - (1 - labels[known]) / both, self.row_weights(batch)[known] * both))
        self.prepared.fill_(True)
        self.platt.reset()

    def head_loss(self, inputs: Inputs, batch: Batch) -> Float[Tensor, " batch"]:
        """The loss of each labelled row; see `PairTask.head_loss`."""
        labels = batch[self.column]
        rows = self.labelled(batch).nonzero().squeeze(1)
        logits = self._logits([part[rows] for part in inputs], batch.take(rows))
        if self.focal is None:
            losses = binary_cross_entropy(logits, labels[rows], positive_weight=self.positive_weight)
        else:
            losses = focal(logits, labels[rows], gamma=self.focal, positive_weight=self.positive_weight)
        return at_rows(losses, rows, len(batch))

    def head_score(self, inputs: Inputs, batch: Batch) -> Float[Tensor, "*batch"]:
        """The probability of the event; see `PairTask.head_score`."""
        logits = self._logits(inputs, batch)
        if self.focal is not None:
            logits = focal_log_odds(logits, gamma=self.focal)
        shift = torch.tensor(self.positive_weight, device=logits.device).log()
        probs: Tensor = self.platt(logits - shift).sigmoid()
        return probs

    @property
    def unit(self) -> Unit:
        """A probability."""
        return PROBABILITY

    @property
    def calibration(self) -> Platt:
        """Calibrates the probability; see `motet.calibration.calibrate`."""
        return self.platt

    def metrics(self) -> Mapping[str, Metric]:
        """AUC, log loss and the calibration error of the probabilities."""
        return {"auc": AUC(), "log_loss": LogLoss(), "ece": ECE()}

    def _logits(self, inputs: Inputs, batch: Batch) -> Tensor:
        logits = self.head(*inputs) + self.bias
        if self.user_bias is not None and self.item_bias is not None:
            logits = logits + self.user_bias(batch.users) + self.item_bias(batch.items)
        flat: Tensor = logits.squeeze(-1)
        return flat
