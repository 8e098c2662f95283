"""Unit: what a task's score is measured in."""

from __future__ import annotations

from typing import NamedTuple


class Unit(NamedTuple):
    """What a score means to those who read it.

    Attributes:
        name: `"probability"`; the label's column, for a number in the label's unit; `"relevance"`, for a number that
            orders items and means nothing else.
        low: The lowest score there can be, or the lowest label of training; None where there is none.
        high: The highest.

    Example:
        >>> Unit("stars", 1.0, 5.0)
        Unit(name='stars', low=1.0, high=5.0)
    """

    name: str
    low: float | None = None
    high: float | None = None


RELEVANCE = Unit("relevance")
PROBABILITY = Unit("probability", 0.0, 1.0)
