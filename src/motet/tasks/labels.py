"""What tasks for outcomes ask of their labels, and where they start from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Bool, Float
from torch import Tensor

from motet.errors import DataError


def check_outcomes(task: str, column: str, labels: Float[Tensor, " rows"], known: Bool[Tensor, " rows"]) -> None:
    """Refuse labels that are no outcomes: neither 0 nor 1 nor a probability between.

    Args:
        task: Who asks, for the message.
        column: Whose labels they are.
        labels: One a row.
        known: Which rows the task learns from.

    Raises:
        DataError: If a label lies outside [0, 1].
    """
    wrong = known & ~((labels >= 0) & (labels <= 1))
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise DataError(
            f"column {column!r} is {labels[row].item():g} in row {row}, and in {int(wrong.sum()):,} of "
            f"{int(known.sum()):,} rows lies outside [0, 1]; task {task!r} needs 0 or 1, or a probability"
        )


def check_funnel(task: str, stages: Sequence[str], labels: Float[Tensor, "rows stages"]) -> None:
    """Refuse labels that are no funnel: each stage takes the one before.

    Args:
        task: Who asks, for the message.
        stages: The columns, from the first stage to the last.
        labels: One a row and stage; NaN where not known, and in rows of no interest.

    Raises:
        DataError: If a label lies outside [0, 1], a later stage is set where an earlier one is not, or a stage is known
            only where the one before was reached.
    """
    for stage, column in zip(stages, labels.T, strict=True):
        check_outcomes(task, stage, column, ~column.isnan())
    least = labels.nan_to_num(1.0).cummin(1)
    beyond = labels[:, 1:] > least.values[:, :-1]
    if beyond.any():
        row = int(beyond.any(1).nonzero()[0])
        late = int(beyond[row].nonzero()[0]) + 1
        early, late_name = stages[int(least.indices[row, late - 1])], stages[late]
        was, is_now = labels[row, stages.index(early)].item(), labels[row, late].item()
        raise DataError(
            f"task {task!r}: in {int(beyond.any(1).sum()):,} of {len(labels):,} rows a later stage is set where an "
            f"earlier one is not, in row {row} first: {late_name!r} is {is_now:g} and {early!r} is {was:g}; set "
            f'{early!r} as well, or drop such rows: where="not ({early} == 0 and {late_name} == 1)"'
        )
    for (early, before), (late_name, after) in pairwise(zip(stages, labels.T, strict=True)):
        nothing = before == 0
        if nothing.any() and after[nothing].isnan().all() and not after.isnan().all():
            raise DataError(
                f"task {task!r}: stage {late_name!r} is known in not one of the {int(nothing.sum()):,} rows in which "
                f"{early!r} is 0, so that it would be learned from what follows {early!r} alone; a stage that was not "
                "reached is 0, and empty only where nobody knows"
            )


def log_odds(outcomes: Float[Tensor, " rows"], weights: Float[Tensor, " rows"]) -> Float[Tensor, ""]:
    r"""Log odds of an outcome, finite whatever the rows.

    $$ \log \frac{\sum_i w_i y_i + 1/2}{\sum_i w_i (1 - y_i) + 1/2} $$

    Args:
        outcomes: 0 or 1, or a probability.
        weights: What each counts for.

    Returns:
        Where a logit starts from.

    Source:
        Haldane, "The Estimation and Significance of the Logarithm of a Ratio of Frequencies", Annals of Human Genetics
        1956.

    Example:
        >>> import torch
        >>> log_odds(torch.tensor([0.0, 0.0, 1.0]), torch.ones(3)).exp()
        tensor(0.6000)
    """
    return ((weights * outcomes).sum() + 0.5).log() - ((weights * (1 - outcomes)).sum() + 0.5).log()
