"""Figures as text, for tables and sentences."""

from __future__ import annotations

import math


def number(value: float, digits: int = 4) -> str:
    """A figure for reading and comparing.

    Args:
        value: The figure, in any unit.
        digits: Decimals of a figure below 10; 4 for tables, 3 for sentences and pages.

    Returns:
        As many significant digits from 10 on as below, at least whole numbers, and at least three significant digits of
        small figures; a dash for NaN.

    Example:
        >>> [number(value) for value in (0.89432, 0.0612, 0.004217, 6477.717, float("nan"))]
        ['0.8943', '0.0612', '0.00422', '6,477.7', '-']
        >>> number(0.89432, digits=3), number(6477.717, digits=3)
        ('0.894', '6,478')
    """
    if math.isnan(value):
        return "-"
    size = abs(value)
    if math.isinf(value) or 0 < size < 10.0 ** (2 - digits):
        return f"{value:#.3g}"
    return f"{value + 0.0:,.{max(0, digits + 1 - len(str(int(size))))}f}"  # 0 is added to lose the minus of -0.0
