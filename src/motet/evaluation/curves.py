"""Curves: reliability curves of every probability that a model predicts."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from motet.data.batch import Batch
from motet.evaluation.collect import ROWS
from motet.evaluation.evidence import Evidence
from motet.metrics.calibration import ECE
from motet.metrics.reliability import ReliabilityCurve, reliability_curve
from motet.model import Model
from motet.tasks.ordinal import Ordinal
from motet.tasks.with_context import WithContext


def probability_curves(evidence: Iterable[Evidence]) -> dict[str, ReliabilityCurve]:
    """Compute the curves of all scores that are probabilities: those with a calibration error among their metrics.

    Args:
        evidence: Scored rows; other scores are skipped.

    Returns:
        Two curves each, with bins of equal width and of equal mass: `click/width`, `funnel/buy/mass`.
    """
    found: dict[str, ReliabilityCurve] = {}
    for part in evidence:
        calibrated = [name for name, metric in part.metrics().items() if isinstance(metric, ECE)]
        if part.labels is not None:
            for name in calibrated:
                place = "/".join([part.prefix, *name.split("/")[:-1]])
                found |= _both(place, part.values, part.labels, part.weights)
    return found


def level_curves(model: Model, batch: Batch) -> dict[str, ReliabilityCurve]:
    """Compute the curves of the probabilities of reaching each level, for every `Ordinal` task, wrapped or not.

    Args:
        model: The model, in evaluation mode.
        batch: The test rows.

    Returns:
        Two curves per level: `rating/>= 4/mass`.
    """
    device = next(model.parameters(), torch.zeros(())).device
    found: dict[str, ReliabilityCurve] = {}
    for name, task in model.tasks.items():
        ordinal = task.task if isinstance(task, WithContext) else task
        if not isinstance(ordinal, Ordinal):
            continue
        rows = batch.to(device).take(task.row_weights(batch.to(device)) > 0)
        blocks = [model.score_parts(name, rows.take(slice(at, at + ROWS))) for at in range(0, len(rows), ROWS)]
        weights = task.row_weights(rows)
        for part, level in zip(ordinal.level_parts, (ordinal.levels or ())[1:], strict=True):
            if blocks:
                probs = torch.cat([block[part] for block in blocks])
                found |= _both(f"{name}/{part}", probs, (rows[ordinal.column] >= level).to(probs), weights)
    return found


def _both(place: str, probs: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> dict[str, ReliabilityCurve]:
    return {
        f"{place}/width": reliability_curve(probs, labels, weights, by="width"),
        f"{place}/mass": reliability_curve(probs, labels, weights, by="mass"),
    }
