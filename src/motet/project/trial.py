"""try_training: one step of training on a few rows, so that its settings are refused before the real one starts."""

from __future__ import annotations

import copy
from typing import Any

from motet.data.log import EventLog
from motet.data.mix import Mix
from motet.model import Model
from motet.project.part import Part

SAMPLE = 256  # rows of each log


def try_training(training: Part, model: Model, train: EventLog | Mix) -> None:
    """Train a copy of a model on the first rows of each log; nothing is written.

    Args:
        training: The arguments of `fit`.
        model: An untrained model; it is not changed.
        train: What training draws batches from.

    Raises:
        MotetError: If training refuses a setting.
    """
    changes: dict[str, Any] = {"early_stopping": None, "checkpoint": None, "resume": False, "progress": False}
    epochs = min(1, training.given.get("epochs", 1))
    training.make(copy.deepcopy(model), _few(train), epochs=epochs, **changes)


def _few(train: EventLog | Mix) -> EventLog | Mix:
    if isinstance(train, EventLog):
        return train.take(slice(0, SAMPLE))
    return Mix([log.take(slice(0, SAMPLE)) for log in train.logs], ratio=train.ratio)
