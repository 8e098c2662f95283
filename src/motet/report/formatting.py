"""Numbers, intervals, metrics and file names as text."""

from __future__ import annotations

import math
import re

from motet.compare.comparison import Estimate
from motet.metrics import text


def number(value: float) -> str:
    """A figure for reading and comparing.

    Args:
        value: The figure.

    Returns:
        Text as of `motet.metrics.text.number`, with three digits: pages have less room than the tables of the terminal.

    Example:
        >>> number(0.89432), number(0.004217), number(1234.5), number(float("nan"))
        ('0.894', '0.00422', '1,234', '-')
    """
    return text.number(value, digits=3)


def interval(estimate: Estimate) -> str:
    """The interval of a figure.

    Args:
        estimate: The figure.

    Returns:
        Text such as `0.88 to 0.91`; empty if there is no interval.
    """
    return "" if math.isnan(estimate.low) else f"{number(estimate.low)} to {number(estimate.high)}"


def spoken(key: str) -> str:
    """The key of a metric, for reading.

    Args:
        key: Key of the metric.

    Returns:
        Task, metric and protocol.

    Example:
        >>> spoken("retrieval/unseen/ndcg@10"), spoken("rating/rmse")
        ('retrieval: ndcg@10, unseen', 'rating: rmse')
    """
    task, *protocol, metric = key.split("/")
    return f"{task}: {', '.join([metric, *protocol])}"


def named(*parts: str) -> str:
    """A name for a file and an HTML element.

    Args:
        *parts: Parts of the name: a folder, the key of a metric.

    Returns:
        Letters, digits and single dashes.

    Example:
        >>> named("model", "retrieval/unseen/ndcg@10"), named("rating/>= 4")
        ('model-retrieval-unseen-ndcg-10', 'rating-4')
    """
    return re.sub(r"\W+", "-", "-".join(parts)).strip("-")
