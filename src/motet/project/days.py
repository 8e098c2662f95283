"""Days that a column of times counts, where motet reads seconds."""

from __future__ import annotations

from datetime import date, timedelta

from jaxtyping import Num
from torch import Tensor

FEWEST, MOST = 10_000, 100_000  # as seconds, the rest of a single night in 1970; a count of steps starts below
EXCEL = 30_000  # from here on days as Excel counts them are later than 1982


def as_days(times: Num[Tensor, " n"]) -> str:
    """Say which days some times would be, if they all look like days instead of seconds.

    Args:
        times: Seconds since 1970, as they were read.

    Returns:
        What the first one is as a number of days, and how to convert them; empty if they look like seconds.

    Example:
        >>> import torch
        >>> as_days(torch.tensor([45292.0, 45310.5]))
        'such as 45292, which is 2024-01-01 in Excel: convert them with pl.date(1899, 12, 30) + pl.duration(days=...)'
    """
    if not len(times) or not ((times >= FEWEST) & (times < MOST)).all():
        return ""
    first = float(times[0])
    start, counted = (date(1899, 12, 30), "in Excel") if first >= EXCEL else (date(1970, 1, 1), "counted from 1970")
    return (
        f"such as {first:g}, which is {start + timedelta(days=int(first))} {counted}: convert them with "
        f"pl.date({start.year}, {start.month}, {start.day}) + pl.duration(days=...)"
    )
