"""Calibration: makes probabilities match frequencies on rows that training did not see."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.errors import check_types
from motet.layers.platt import Platt
from motet.losses.funnel import cumulative_log_probs, funnel_losses
from motet.metrics.calibration import ECE
from motet.model import Model
from motet.tasks.base import Task

ROWS = 1 << 16  # scored at once
SMALLEST = 1e-7  # and largest probability less 1: what single precision tells apart


@dataclass(frozen=True)
class Calibrated:
    """The calibration of one probability.

    Attributes:
        slope: The factor on the log odds; 1 if they were left as they were.
        offset: The number added to them; 0 if they were left as they were.
        rows: The number of rows it was fitted on.
        before: The calibration error on these rows without it.
        after: The same with it, cross-validated: each half of the rows is judged with the line fitted to the other.
    """

    slope: float
    offset: float
    rows: int
    before: float
    after: float


@torch.no_grad()
def calibrate(model: Model, log: EventLog) -> dict[str, Calibrated]:
    r"""Fit a line through the log odds of every probability; the order of items and the weights do not change.

    $$ p = \sigma(a z + b), \qquad
       \min_{a, b} \; - \sum_r w_r \log p(y_r) + \tfrac12 (\log^2 a + b^2) $$

    The last term is that of a standard normal prior, which matters only if there are few rows. Each stage of a `Funnel`
    has a line of its own, and all are fitted together, so a later stage stays below an earlier one. A line that does
    not lower the log loss of rows that it was not fitted on is discarded.

    The line is part of the model: scores, saved models and exported programs include it. Further training resets it.

    Args:
        model: A trained model; it is put in evaluation mode.
        log: Rows that it was not trained on: validation rows, even if they chose the epoch.

    Returns:
        The calibrations by task, or by `task/stage` for a funnel; none for tasks that predict no probability or have no
        row here.

    Raises:
        ConfigError: If the model or the log is something else.

    Source:
        Platt, "Probabilistic Outputs for Support Vector Machines", 1999; Guo et al., "On Calibration of Modern Neural
        Networks", ICML 2017, who find that more elaborate maps do no better.

    Example:
        >>> calibrate(model, validation)["click"].after  # doctest: +SKIP
    """
    check_types(Model, model=model)
    check_types(EventLog, log=log)
    model.eval()
    batch = log.batch().to(next(model.parameters()).device)
    for name, task in model.tasks.items():
        if task.calibration is not None and task.has_columns(batch):
            _calibrate(task.calibration, *_judged(model, name, batch))
    return calibrated(model)


def calibrated(model: Model) -> dict[str, Calibrated]:
    """The calibrations that a model has.

    Args:
        model: Any model.

    Returns:
        As from `calibrate`.
    """
    found = {}
    for name, task in model.tasks.items():
        if task.calibration is not None and task.calibration.rows.any():
            columns = torch.stack([getattr(task.calibration, each) for each in Calibrated.__annotations__], 1)
            for part, (slope, offset, rows, before, after) in zip(task.judged, columns.tolist(), strict=True):
                key = f"{name}/{part}" if part else name
                found[key] = Calibrated(slope, offset, int(rows), before, after)
    return found


def _judged(model: Model, name: str, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Log odds of each stage given the one before, labels and weights, of the rows with a weight."""
    task: Task = model.tasks[name]
    model.tasks[name].calibration.reset()  # type: ignore[union-attr]
    weights = task.row_weights(batch).double()
    chosen = (weights > 0).nonzero()[:, 0]
    blocks = [list(model.score_parts(name, batch.take(rows)).values()) for rows in chosen.split(ROWS)]
    probs = torch.cat([torch.stack(parts, 1).double() for parts in blocks])
    before = torch.cat([torch.ones_like(probs[:, :1]), probs[:, :-1]], 1)
    given = probs / before.clamp(min=torch.finfo(probs.dtype).tiny)
    labels = torch.stack([batch[label][chosen].double() for label in task.judged.values()], 1)
    return given.clamp(SMALLEST, 1 - SMALLEST).logit(), labels, weights[chosen]


def _calibrate(line: Platt, logits: Tensor, labels: Tensor, weights: Tensor) -> None:
    """Fit the line and keep the errors; a line that does not help is discarded."""
    if not len(logits):
        return
    # Random halves, the same each time: rows may alternate, a positive and then a negative.
    first = torch.randperm(len(logits), generator=torch.Generator().manual_seed(0)).to(logits.device) % 2 == 0
    crossed = logits.clone()
    for half in (first, ~first):
        slope, offset = _fitted(logits[~half], labels[~half], weights[~half])
        crossed[half] = logits[half] * slope + offset
    line.rows.copy_((~labels.isnan()).sum(0))
    line.before.copy_(_errors(logits, labels, weights))
    line.after.copy_(line.before)
    if _loss(crossed, labels, weights) < _loss(logits, labels, weights):
        slope, offset = _fitted(logits, labels, weights)
        line.slope.copy_(slope)
        line.offset.copy_(offset)
        line.after.copy_(_errors(crossed, labels, weights))


@torch.enable_grad()
def _fitted(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Slope and offset of each stage."""
    line = torch.zeros(2, logits.shape[1], dtype=logits.dtype, device=logits.device, requires_grad=True)
    search = torch.optim.LBFGS([line], max_iter=100, tolerance_change=1e-12, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        total = _loss(logits * line[0].exp() + line[1], labels, weights) + line.square().sum() / 2
        total.backward()
        return total

    search.step(loss)
    found = line.detach()
    return found[0].exp(), found[1]


def _loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The log loss of all stages, with weights of mean 1, so that each row counts as one observation."""
    losses: Float[Tensor, "rows stages"] = funnel_losses(logits, labels)
    return (losses.sum(1) * weights).sum() * len(weights) / weights.sum().clamp(min=1e-12)


def _errors(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The calibration error of each stage."""
    found = []
    for probs, happened in zip(cumulative_log_probs(logits)[0].exp().T, labels.T, strict=True):
        known: Bool[Tensor, " rows"] = ~happened.isnan()
        error = ECE()
        error.update(probs[known], happened[known], weights[known])
        found.append(error.compute())
    return logits.new_tensor(found)
