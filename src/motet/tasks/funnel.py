"""Funnel: predicts the probability of each stage in a chain, such as click, cart and purchase.

A stage can only be reached from the one before. All stages are trained on all exposures, by the product of their
conditional probabilities, so that a stage is not learned from only the few rows that reached the one before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from motet.data.batch import Batch, Columns
from motet.errors import ConfigError, did_you_mean
from motet.layers.embedding import Embedding
from motet.layers.mlp import MLP
from motet.layers.platt import Platt
from motet.losses.funnel import cumulative_log_probs, funnel_losses
from motet.metrics.auc import AUC
from motet.metrics.base import Metric
from motet.metrics.calibration import ECE
from motet.metrics.log_loss import LogLoss
from motet.tasks.base import at_rows
from motet.tasks.labels import check_funnel, log_odds
from motet.tasks.pair import Inputs, PairTask
from motet.tasks.rows import Rows
from motet.tasks.unit import PROBABILITY, Unit
from motet.towers.base import Tower


class Funnel(PairTask):
    r"""The probability of reaching each of several stages, such as click, cart, purchase and return.

    $$ P_k = \prod_{j \le k} \sigma(z_j), \qquad z_j = \mathrm{MLP}_j([u; v; u \odot v]) + b_j + b_{ju} + b_{ji}, \qquad
       L = \sum_k \mathrm{mean}_{r} \, [- y_{rk} \log P_{rk} - (1 - y_{rk}) \log (1 - P_{rk})] $$

    Each head predicts a stage given the one before, and enters the loss through the product, over all rows. So its
    predictions also hold for rows without a click, and rare stages benefit from frequent ones.

    The label of a stage that was not reached is 0. An empty label means that the outcome is not known yet (a purchase
    that can still be returned), and the stage skips the row. The loss of a stage is the mean over its labelled rows.

    Args:
        name: Key of its loss, metrics, score and weight.
        stages: Label columns, 0 or 1, from the first stage to the last.
        stage: The stage whose probability is the score. By default the last one; if the last one is the return, name
            the purchase.
        where: Which rows are exposures: a condition, or `Rows` with weights. By default every row.
        hidden: Widths of the hidden layers of each stage's head; empty for linear heads.
        product: Whether the heads also see the elementwise product of the vectors.
        dropout: Share of the heads' hidden values set to 0 in training.
        biases: Whether to add learned biases for each user and each item, one per stage.

    Raises:
        ConfigError: If there are fewer than two stages, a stage is repeated, or `stage` is not one of them.

    Source:
        Ma et al., "Entire Space Multi-Task Model: An Effective Approach for Estimating Post-Click Conversion Rate",
        SIGIR 2018.
    """

    def __init__(
        self,
        name: str = "funnel",
        *,
        stages: Sequence[str],
        stage: str | None = None,
        where: str | Rows | None = None,
        hidden: Sequence[int] = (64,),
        product: bool = False,
        dropout: float = 0.0,
        biases: bool = False,
    ) -> None:
        stages = tuple(stages)
        if len(stages) < 2 or len(set(stages)) < len(stages):
            raise ConfigError(
                f"stages={stages!r}; a funnel needs two or more different columns, the first stage first; for a single "
                "outcome use Event"
            )
        if stage is not None and stage not in stages:
            raise ConfigError(
                f"stage={stage!r} is not one of the stages{did_you_mean(stage, stages)} Stages: {', '.join(stages)}."
            )
        super().__init__(name, needs=stages, where=where, product=product)
        self.stages = stages
        self.stage = stage
        self.hidden = tuple(hidden)
        self.dropout = dropout
        self.biases = biases
        self.platt = Platt(len(stages))

    def build_head(self, width: int, user: Tower, item: Tower) -> None:
        """Create a head for each stage, and the biases; see `PairTask.build_head`."""
        depth = len(self.stages)
        self.heads = nn.ModuleList(
            MLP(width, hidden=self.hidden, out_dim=1, dropout=self.dropout) for _ in range(depth)
        )
        self.bias = nn.Parameter(torch.zeros(depth))
        self.user_bias = Embedding(len(user.entities), depth, init_scale=0.0) if self.biases else None
        self.item_bias = Embedding(len(item.entities), depth, init_scale=0.0) if self.biases else None

    def prepare(self, train: Columns) -> None:
        """Check the labels, and start the biases at the log odds of each stage given the one before.

        Args:
            train: The training log.

        Raises:
            DataError: If a label lies outside [0, 1], a later stage is set in a row in which an earlier one is not, or
                a stage is known only in rows that reached the one before.
        """
        batch = train.batch()
        labels = self._labels(batch)
        chosen = labels.where(self.rows.chosen(batch)[:, None], torch.nan)
        check_funnel(self.name, self.stages, chosen, batch, where=self.rows.where)
        if not self.prepared:
            weights = self.rows.weights(batch)
            before = torch.cat([torch.ones_like(labels[:, :1]), labels[:, :-1]], 1)
            with torch.no_grad():
                for stage in range(len(self.stages)):
                    known = (weights > 0) & (before[:, stage] > 0) & ~labels[:, stage].isnan()
                    reached = before[known, stage]
                    self.bias[stage] = log_odds(labels[known, stage] / reached, weights[known] * reached)
        self.prepared.fill_(True)
        self.platt.reset()

    def labelled(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """The exposures that have a label of any stage."""
        return self.rows.chosen(batch) & ~self._labels(batch).isnan().all(1)

    def head_loss(self, inputs: Inputs, batch: Batch) -> Float[Tensor, " batch"]:
        """The summed losses of each row's stages, scaled so that their mean is the sum of the means of the stages."""
        known = self.labelled(batch).nonzero().squeeze(1)
        some = batch.take(known)
        labels = self._labels(some)
        losses = funnel_losses(self._logits([part[known] for part in inputs], some, len(self.stages)), labels)
        weights = self.training_weights(some)
        share = (weights @ (~labels.isnan()).to(weights.dtype)) / weights.sum()
        losses = (losses / share.where(share > 0, 1.0)).sum(1)
        return at_rows(losses, known, len(batch))

    def head_score(self, inputs: Inputs, batch: Batch) -> Float[Tensor, "*batch"]:
        """The probability of reaching the scored stage; see `PairTask.head_score`."""
        depth = len(self.stages) if self.stage is None else self.stages.index(self.stage) + 1
        return cumulative_log_probs(self.platt(self._logits(inputs, batch, depth)))[0][..., -1].exp()

    def head_parts(self, inputs: Inputs, batch: Batch) -> Mapping[str, Float[Tensor, "*batch"]]:
        """The probability of reaching each stage; see `Task.parts`."""
        reached = cumulative_log_probs(self.platt(self._logits(inputs, batch, len(self.stages))))[0].exp()
        return dict(zip(self.stages, reached.unbind(-1), strict=True))

    @property
    def unit(self) -> Unit:
        """A probability."""
        return PROBABILITY

    @property
    def calibration(self) -> Platt:
        """Calibrates the probability of each stage given the one before."""
        return self.platt

    @property
    def judged(self) -> Mapping[str, str]:
        """Each stage with its own label column."""
        return {stage: stage for stage in self.stages}

    def metrics(self) -> Mapping[str, Metric]:
        """AUC, log loss and calibration error of each stage's probability, over all exposures: `buy/auc`."""
        kinds: dict[str, type[AUC | LogLoss | ECE]] = {"auc": AUC, "log_loss": LogLoss, "ece": ECE}
        return {f"{stage}/{name}": kind() for stage in self.stages for name, kind in kinds.items()}

    def _labels(self, batch: Batch) -> Tensor:
        return torch.stack([batch[stage] for stage in self.stages], 1)

    def _logits(self, inputs: Inputs, batch: Batch, depth: int) -> Tensor:
        """Logits of the first `depth` stages, each given the one before."""
        logits = torch.cat([head(*inputs) for head in self.heads[:depth]], -1) + self.bias[:depth]
        if self.user_bias is not None and self.item_bias is not None:
            logits = logits + self.user_bias(batch.users)[..., :depth] + self.item_bias(batch.items)[..., :depth]
        return logits
