"""The range of a figure."""

from __future__ import annotations

import math

SHARES = ("hit_rate", "recall", "precision", "ndcg", "mrr", "map", "auc", "ece", "list_ndcg")
ERRORS = ("rmse", "mae", "log_loss")


def bounds(key: str) -> tuple[float, float]:
    """The least and the largest possible value of a figure.

    Args:
        key: Key of the figure, whose last part names the metric: `"rating/rmse"`, `"retrieval/unseen/hit_rate@10"`.

    Returns:
        0 and 1 for shares, 0 and infinity for errors, which are recognised by name; else minus and plus infinity.

    Example:
        >>> bounds("retrieval/unseen/hit_rate@10"), bounds("rating/rmse"), bounds("bought/revenue")
        ((0.0, 1.0), (0.0, inf), (-inf, inf))
    """
    metric = key.rsplit("/", 1)[-1].partition("@")[0]
    if metric in SHARES:
        return 0.0, 1.0
    return (0.0 if metric in ERRORS else -math.inf), math.inf
