"""loss_weights: the weight of each task's loss in the objective of a model."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from motet.arguments import checked
from motet.errors import ConfigError, did_you_mean


@checked
def loss_weights(weights: Mapping[str, float], tasks: Collection[str]) -> dict[str, float]:
    """Check the weights of a model's losses, and complete them.

    Args:
        weights: The weight of each task; 1 for a task that is not named.
        tasks: The names of the model's tasks.

    Returns:
        The weight of every task.

    Raises:
        ConfigError: If a name is not a task, a weight is negative or not finite, or all weights are 0.

    Example:
        >>> loss_weights({"retrieval": 3.0}, ["rating", "retrieval"])
        {'rating': 1.0, 'retrieval': 3.0}
    """
    for name, weight in weights.items():
        if name not in tasks:
            raise ConfigError(
                f"weights names {name!r} ({weight}), which is not a task{did_you_mean(name, tasks)} "
                f"Tasks: {', '.join(tasks)}."
            )
        if not 0 <= weight < math.inf:
            raise ConfigError(f"the weight of task {name!r} is {weight}; it must be finite, and 0 or more")
    complete = {name: float(weights.get(name, 1.0)) for name in tasks}
    if tasks and not any(complete.values()):
        raise ConfigError(f"every task has weight 0 ({', '.join(tasks)}); give one of them a weight above 0")
    return complete
