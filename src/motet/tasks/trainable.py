"""Whether a log has what a task learns from."""

from __future__ import annotations

from motet.data.batch import Batch
from motet.errors import DataError, did_you_mean
from motet.tasks.base import Task
from motet.tasks.rows import Rows


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
    weighed = [rows.weight for rows in task.selections if rows.weight is not None]
    for column in (*task.needs, *weighed):
        if column in batch.vocabs:
            raise DataError(
                f"task {task.name!r} takes {column!r} for numbers, and it holds categories such as "
                f"{batch.vocabs[column].ids.first()!r}; declare it under signals"
            )
    if not task.labelled(batch).any():
        raise DataError(f"task {task.name!r} has nothing to learn from: {_why(task, batch)}")
    for rows in task.selections:
        _check_weights(task, rows, batch)


def _check_weights(task: Task, rows: Rows, batch: Batch) -> None:
    weights = task.row_weights(batch) if rows is task.rows else rows.weights(batch)
    wrong = ~(weights >= 0)  # NaN as well
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise DataError(
            f"row {row} weighs {weights[row].item()} for task {task.name!r}; weights must be known and not "
            f"negative: look at column {rows.weight!r}"
        )
    if rows is task.rows and not weights.any():
        raise DataError(f"all rows weigh 0 for task {task.name!r}: look at column {rows.weight!r}")
    if rows is task.rows and not (weights * rows.fading(batch)).any():
        raise DataError(
            f"all rows weigh 0 for task {task.name!r}: they have faded beside later rows; "
            f"half_life_days={rows.half_life_days} is too short for them"
        )


def _why(task: Task, batch: Batch) -> str:
    if not len(batch):
        return "the log has no rows"
    chosen = task.rows.chosen(batch)
    if not chosen.any():
        return f"{task.rows.where!r} holds for not one of {len(batch):,} rows; change the condition, or give weight 0"
    return (
        f"not one of {int(chosen.sum()):,} rows has a value in {' and '.join(map(repr, task.needs))}; give it labels, "
        "or weight 0"
    )
