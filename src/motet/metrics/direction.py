"""Whether a lower figure is better."""

from __future__ import annotations

from motet.metrics.bounds import ERRORS

LOWER = frozenset({*ERRORS, "ece"})


def lower_is_better(key: str) -> bool:
    """Whether a lower value of a figure is better.

    Args:
        key: Key of the figure, whose last part names the metric: `"rating/rmse"`, `"retrieval/unseen/hit_rate@10"`.

    Returns:
        True for errors and losses, which are recognised by name; False for everything else.

    Example:
        >>> lower_is_better("rating/rmse"), lower_is_better("retrieval/unseen/hit_rate@10")
        (True, False)
    """
    return key.rsplit("/", 1)[-1].partition("@")[0] in LOWER
