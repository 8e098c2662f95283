"""Whether a log has what a task learns from."""

from __future__ import annotations

from motet.data.batch import Batch
from motet.errors import DataError, did_you_mean
from motet.tasks.base import Task


def check_trainable(task: Task, batch: Batch) -> None:
    """Refuse rows that a task cannot learn from.

    Args:
        task: To be trained.
        batch: All rows of the training log.

    Raises:
        DataError: If a column that the task reads is absent, a label or weight is a category, no row has its label,
            a weight is negative or not a number, or all weights are 0.
    """
    for column in task.columns:
        if column not in batch:
            raise DataError(
                f"task {task.name!r} reads column {column!r}, which is not in the log"
                f"{did_you_mean(column, batch.columns)}; columns: {', '.join(batch.columns)}"
            )
    for column in (*task.needs, *([] if task.rows.weight is None else [task.rows.weight])):
        if column in batch.vocabs:
            raise DataError(
                f"task {task.name!r} takes {column!r} for numbers, and it holds categories such as "
                f"{batch.vocabs[column].ids.first()!r}; declare it under signals"
            )
    if not task.labelled(batch).any():
        raise DataError(f"task {task.name!r} has nothing to learn from: {_why(task, batch)}")
    weights = task.training_weights(batch)
    wrong = ~(weights >= 0)  # NaN as well
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise DataError(
            f"row {row} weighs {weights[row].item()} for task {task.name!r}; weights must be known and not "
            f"negative: look at column {task.rows.weight!r}"
        )
    if not weights.any():
        cause = f"look at column {task.rows.weight!r}"
        if task.row_weights(batch).any():
            cause = (
                f"they have faded beside later rows; half_life_days={task.rows.half_life_days} is too short for them"
            )
        raise DataError(f"all rows weigh 0 for task {task.name!r}: {cause}")


def _why(task: Task, batch: Batch) -> str:
    chosen = task.rows.chosen(batch)
    if not chosen.any():
        return f"{task.rows.where!r} holds for not one of {len(batch):,} rows; change the condition, or give weight 0"
    return (
        f"not one of {int(chosen.sum()):,} rows has a value in {' and '.join(map(repr, task.needs))}; give it labels, "
        "or weight 0"
    )
