"""Checks of binary labels, and the log odds at which their model starts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.batch import Batch
from motet.data.grammar import column_name
from motet.errors import DataError


def named_row(batch: Batch, row: int) -> str:
    """Name a row in an error message by its position and its ids: a split has moved it from its place in the file.

    Args:
        batch: The rows.
        row: The position of the row.

    Returns:
        The position, and the ids that are known.

    Example:
        >>> import torch
        >>> named_row(Batch({"user_id": torch.tensor([1])}), 0)
        'row 0'
    """
    keys = [key for key in (batch.user_key, batch.item_key) if key in batch.vocabs]
    ids = [f"{key} {batch.vocabs[key].decode_list(batch[key][row : row + 1])[0]!r}" for key in keys]
    return f"row {row}" + (f" ({', '.join(ids)})" if ids else "")


def check_outcomes(task: str, column: str, known: Bool[Tensor, " rows"], batch: Batch) -> None:
    """Refuse labels that are neither 0 nor 1 nor a probability.

    Args:
        task: The task's name, for the error message.
        column: The name of the label column.
        known: The rows that the task learns from.
        batch: The rows.

    Raises:
        DataError: If a label lies outside [0, 1].
    """
    labels = batch[column]
    wrong = known & ~((labels >= 0) & (labels <= 1))
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise DataError(
            f"column {column!r} is {labels[row].item():g} in {named_row(batch, row)}, and lies outside [0, 1] in "
            f"{int(wrong.sum()):,} of {int(known.sum()):,} rows; task {task!r} needs 0, 1 or a probability between"
        )


def check_funnel(
    task: str,
    stages: Sequence[str],
    labels: Float[Tensor, "rows stages"],
    batch: Batch,
    *,
    where: str | None = None,
) -> None:
    """Refuse labels that contradict a funnel, in which each stage requires the one before.

    Args:
        task: The task's name, for the error message.
        stages: The label columns, from the first stage to the last.
        labels: The label of each row and stage; NaN if unknown, and in rows that the task does not learn from.
        batch: The rows.
        where: The condition that selects the task's rows, for the error message.

    Raises:
        DataError: If a label lies outside [0, 1], a later stage is set in a row in which an earlier one is not, or a
            stage is known only in rows that reached the one before.
    """
    for stage, column in zip(stages, labels.T, strict=True):
        check_outcomes(task, stage, ~column.isnan(), batch)
    least = labels.nan_to_num(1.0).cummin(1)
    beyond = labels[:, 1:] > least.values[:, :-1]
    if beyond.any():
        row = int(beyond.any(1).nonzero()[0])
        late = int(beyond[row].nonzero()[0]) + 1
        early, late_name = stages[int(least.indices[row, late - 1])], stages[late]
        was, is_now = labels[row, stages.index(early)].item(), labels[row, late].item()
        kept = _where_reached(stages, beyond, least.indices, where)
        raise DataError(
            f"task {task!r}: in {int(beyond.any(1).sum()):,} of {len(labels):,} rows a later stage is set where an "
            f"earlier one is not, in {named_row(batch, row)} first: {late_name!r} is {is_now:g} and {early!r} is "
            f'{was:g}; set {early!r} as well, or drop such rows: where="{kept}"'
        )
    for (early, before), (late_name, after) in pairwise(zip(stages, labels.T, strict=True)):
        nothing = before == 0
        if nothing.any() and after[nothing].isnan().all() and not after.isnan().all():
            raise DataError(
                f"task {task!r}: stage {late_name!r} is empty in all {int(nothing.sum()):,} rows in which {early!r} "
                f"is 0, so it would be learned only from rows that reached {early!r}; set a stage that was not reached "
                "to 0, and leave it empty only if the outcome is unknown"
            )


def _where_reached(
    stages: Sequence[str], beyond: Bool[Tensor, "rows later"], least: Int[Tensor, "rows stages"], where: str | None
) -> str:
    """A condition without the rows in which a later stage is set and an earlier one is not, whichever these are."""
    late = beyond[beyond.any(1)].int().argmax(1)
    early = least[beyond.any(1)].gather(1, late[:, None])[:, 0]
    pairs = [(stages[int(one)], stages[int(other) + 1]) for one, other in torch.stack([early, late], 1).unique(dim=0)]
    wrong = [f"{column_name(one)} == 0 and {column_name(other)} == 1" for one, other in pairs]
    return " and ".join([*([] if where is None else [f"({where})"]), *(f"not ({each})" for each in wrong)])


def log_odds(outcomes: Float[Tensor, " rows"], weights: Float[Tensor, " rows"]) -> Float[Tensor, ""]:
    r"""The log odds of an outcome; finite for any rows, even none.

    $$ \log \frac{\sum_i w_i y_i + 1/2}{\sum_i w_i (1 - y_i) + 1/2} $$

    Args:
        outcomes: 0 or 1, or a probability.
        weights: The weight of each outcome.

    Returns:
        The log odds.

    Source:
        Haldane, "The Estimation and Significance of the Logarithm of a Ratio of Frequencies", Annals of Human Genetics
        1956.

    Example:
        >>> import torch
        >>> log_odds(torch.tensor([0.0, 0.0, 1.0]), torch.ones(3)).exp()
        tensor(0.6000)
    """
    return ((weights * outcomes).sum() + 0.5).log() - ((weights * (1 - outcomes)).sum() + 0.5).log()
