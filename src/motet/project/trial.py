"""try_training: one step of training on a few rows, so that its settings are refused before the real one starts."""

from __future__ import annotations

import copy
from typing import Any

import torch

from motet.data.log import EventLog
from motet.data.mix import Mix
from motet.model import Model
from motet.project.part import Part

SAMPLE = 256  # rows of each log, and of each task in it


def try_training(training: Part, model: Model, train: EventLog | Mix) -> None:
    """Train a copy of a model on the first rows of each log, and the first of each task; nothing is written.

    Args:
        training: The arguments of `fit`.
        model: An untrained model; it is not changed.
        train: What training draws batches from.

    Raises:
        MotetError: If training refuses a setting.
    """
    changes: dict[str, Any] = {"early_stopping": None, "checkpoint": None, "resume": False, "progress": False}
    epochs = min(1, training.given.get("epochs", 1))
    logs = [_few(log, model) for log in ([train] if isinstance(train, EventLog) else train.logs)]
    rows = logs[0] if isinstance(train, EventLog) else Mix(logs, ratio=train.ratio)
    training.make(copy.deepcopy(model), rows, epochs=epochs, **changes)


def _few(log: EventLog, model: Model) -> EventLog:
    """Some rows: a log may be sorted by event type, and every task needs a row."""
    batch, chosen = log.batch(), torch.zeros(len(log), dtype=torch.bool)
    chosen[:SAMPLE] = True
    for name, task in model.tasks.items():
        if model.weights[name] > 0 and task.has_columns(batch):
            chosen[task.training_weights(batch).nonzero()[:SAMPLE, 0]] = True
    return log.take(chosen)
