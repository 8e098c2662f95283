"""Unit: what a task's score measures."""

from __future__ import annotations

import math
from typing import NamedTuple


class Unit(NamedTuple):
    """What a score measures, and its range.

    Attributes:
        name: `"probability"`; the label column's name, for a number in the label's unit; `"relevance"`, for a number
            that orders items and has no other meaning.
        low: The lowest possible score, or the lowest label in training; None if there is none.
        high: The highest.

    Example:
        >>> Unit("stars", 1.0, 5.0).ends, Unit("relevance").ends
        ([1.0, 5.0], None)
    """

    name: str
    low: float | None = None
    high: float | None = None

    @property
    def ends(self) -> list[float] | None:
        """Lowest and highest, if both are finite."""
        ends = [end for end in (self.low, self.high) if end is not None and math.isfinite(end)]
        return ends if len(ends) == 2 else None


RELEVANCE = Unit("relevance")
PROBABILITY = Unit("probability", 0.0, 1.0)
