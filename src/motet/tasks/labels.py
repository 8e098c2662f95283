"""What tasks for outcomes ask of their labels, and where they start from."""

from __future__ import annotations

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
