"""EarlyStopping: ends training when a validation metric no longer improves, and keeps the best epoch."""

from __future__ import annotations

from dataclasses import dataclass

from motet.arguments import checked
from motet.data.batch import Columns
from motet.errors import ConfigError, did_you_mean
from motet.evaluation.collect import keys_of
from motet.metrics.direction import lower_is_better
from motet.model import Model


@checked
@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a validation metric no longer improves, and keep the weights of the best epoch.

    Attributes:
        metric: Key of a validation metric, such as `"rating/rmse"` or `"retrieval/unseen/hit_rate@10"`.
        patience: The number of epochs in a row without a new best after which training ends.
        lower_is_better: Whether lower is better. By default errors and losses are recognised by their names.

    Raises:
        ConfigError: If the patience is below 1.
    """

    metric: str
    patience: int = 3
    lower_is_better: bool | None = None

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ConfigError(f"patience={self.patience}; it must be at least 1 epoch without a new best")

    def check(self, model: Model, validation: Columns | None = None) -> None:
        """Check, before training, that the metric is one of the model's, and that it can be measured.

        Args:
            model: About to be trained.
            validation: The validation rows, if they are known.

        Raises:
            ConfigError: If no task has this metric, or no validation row counts in it.
        """
        known = [key for task in model.tasks.values() for key in keys_of(task)]
        if self.metric not in known:
            raise ConfigError(
                f"early stopping watches {self.metric!r}, which is not a validation metric of this model"
                f"{did_you_mean(self.metric, known)} Metrics: {', '.join(known)}."
            )
        task = next(task for task in model.tasks.values() if self.metric in keys_of(task))
        batch = None if validation is None else validation.batch()
        if batch is not None and task.has_columns(batch) and not task.row_weights(batch).any():
            raise ConfigError(
                f"early stopping watches {self.metric!r}, and no validation row is one of task {task.name!r}; watch a "
                "metric of a task that has validation rows"
            )

    def better(self, figure: float, best: float) -> bool:
        """Whether a figure beats the best so far.

        Args:
            figure: Of the last epoch.
            best: The best so far; NaN before the first epoch.

        Returns:
            True if it does; a figure that is NaN never does.
        """
        lower = self.lower_is_better
        if lower is None:
            lower = lower_is_better(self.metric)
        return figure == figure and (best != best or (figure < best if lower else figure > best))
