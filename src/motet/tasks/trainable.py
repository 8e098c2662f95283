"""check_trainable: checks that a task can learn from a log."""

from __future__ import annotations

from motet.data.batch import Batch
from motet.errors import DataError, did_you_mean
from motet.tasks.base import CorpusTask, Task
from motet.tasks.labels import named_row
from motet.tasks.rows import Rows


def check_trainable(task: Task, batch: Batch) -> None:
    """Check that a task can learn from the training rows.

    Args:
        task: The task to train.
        batch: All rows of the training log.

    Raises:
        DataError: If a column that the task reads is absent, a label or weight is a category, no row has its label,
            a weight is negative or not a number, or all weights are 0.
    """
    for column in task.columns:
        if column not in batch:
            raise DataError(
                f"task {task.name!r} reads column {column!r}, which is not in the log"
                f"{did_you_mean(column, batch.columns)} Columns: {', '.join(batch.columns)}. "
                "The log has the columns that its schema declares: labels and weights under signals"
            )
    weighed = [rows.weight for rows in task.selections if rows.weight is not None]
    for column in (*task.needs, *weighed):
        if column in batch.vocabs:
            raise DataError(
                f"task {task.name!r} needs numbers in column {column!r}, which holds categories such as "
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
            f"{named_row(batch, row)} has weight {weights[row].item()} for task {task.name!r}; a weight must be a "
            f"number of 0 or more: check column {rows.weight!r}"
        )
    if rows is task.rows and not weights.any():
        raise DataError(f"all rows have weight 0 for task {task.name!r}; check column {rows.weight!r}")
    if rows is task.rows and not (weights * rows.decay(batch)).any():
        raise DataError(
            f"all rows have weight 0 for task {task.name!r}: they are too old for "
            f"half_life_days={rows.half_life_days}; give a longer one"
        )


def _why(task: Task, batch: Batch) -> str:
    if not len(batch):
        return "the log has no rows"
    chosen = task.rows.chosen(batch)
    if not chosen.any():
        return (
            f"{task.rows.where!r} holds for none of {len(batch):,} rows; change the condition, or set its weight to 0"
        )
    if isinstance(task, CorpusTask) and not batch.items[chosen].any():
        return (
            f"none of {int(chosen.sum()):,} rows has an item that the model knows; check column {batch.item_key!r}, or "
            "build the model on a log that holds these items"
        )
    return (
        f"none of {int(chosen.sum()):,} rows has a value in {' and '.join(map(repr, task.needs))}; add labels, or "
        "set its weight to 0"
    )
