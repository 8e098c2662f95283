"""A report as tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from motet.evaluation.intervals import Interval
    from motet.evaluation.report import Report

WIDTH = 100


def figures(report: Report, level: float | None = None) -> Table:
    """One line per metric: the value of the system, its interval, and the value of each rule.

    Args:
        report: The report.
        level: Confidence level of the intervals; None for no intervals.

    Returns:
        The table.
    """
    asked = [] if level is None else [f"{level:.4g}"]
    table = Table("task", "protocol", "metric", "this", *asked, *report.beside)
    for column in table.columns[3:]:
        column.justify = "right"
    intervals = {} if level is None else report.intervals(level=level)
    for key, figure in report.items():
        task, *protocol, metric = key.split("/")
        beside = [_number(rule.get(key, math.nan)) for rule in report.beside.values()]
        ends = [] if level is None else [_ends(intervals.get(key))]
        table.add_row(task, "/".join(protocol), metric, _number(figure), *ends, *beside)
    return table


def slices(report: Report, family: str, level: float | None = None) -> Table:
    """The metrics of the slices of one family in columns, with their numbers of users and rows.

    Args:
        report: The report.
        family: The family, such as `"users"`.
        level: Confidence level of the intervals; None for no intervals.

    Returns:
        A table with one column per slice.
    """
    parts = {name.split(": ", 1)[1]: part for name, part in report.slices.items() if name.split(": ", 1)[0] == family}
    table = Table(family, *parts)
    for column in table.columns[1:]:
        column.justify = "right"
    found = {name: {} if level is None else part.intervals(level=level) for name, part in parts.items()}
    size: Sequence[str] | None = None
    for key in (key for key in report if all(key in part for part in parts.values())):
        sizes = [f"{users:,} users, {rows:,} rows" for users, rows in (part.judged(key) for part in parts.values())]
        if sizes != size:
            table.add_row("", *sizes, style="dim")
            size = sizes
        cells = [
            "\n".join([_number(part[key]), *([] if level is None else [_ends(found[name].get(key))])])
            for name, part in parts.items()
        ]
        table.add_row(key, *cells)
    return table


def printed(report: Report, level: float | None = None) -> str:
    """All tables and the notes.

    Args:
        report: The report.
        level: Confidence level of the intervals; None for no intervals.

    Returns:
        Lines of at most 100 characters.
    """
    families = dict.fromkeys(name.split(": ", 1)[0] for name in report.slices)
    console = Console(width=WIDTH)
    with console.capture() as captured:
        console.print(figures(report, level))
        for family in families:
            console.print(slices(report, family, level))
    return captured.get() + "\n".join([*report.notes, *(f"warning: {warning}" for warning in report.warnings)])


def _number(figure: float) -> str:
    return "-" if math.isnan(figure) else f"{figure:.4f}"


def _ends(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"
