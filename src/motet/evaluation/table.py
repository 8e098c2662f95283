"""A report as tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from operator import add
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table

from motet.metrics.text import number

if TYPE_CHECKING:
    from motet.evaluation.intervals import Interval
    from motet.evaluation.report import Report

WIDTH = 100
ACROSS = 4  # slices in a table, so that the names of the metrics have room


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
        beside = [number(rule.get(key, math.nan)) for rule in report.beside.values()]
        ends = [] if level is None else [_ends(intervals.get(key))]
        table.add_row(task, "/".join(protocol), metric, number(figure), *ends, *beside)
    return table


def slices(report: Report, family: str, level: float | None = None) -> Iterator[Table]:
    """The metrics of the slices of one family in columns, with their numbers of users and rows.

    Args:
        report: The report.
        family: The family, such as `"users"`.
        level: Confidence level of the intervals; None for no intervals.

    Yields:
        Tables with one column per slice, `ACROSS` at most; below each metric, those of the simple rules.
    """
    parts = {name.split(": ", 1)[1]: part for name, part in report.slices.items() if name.split(": ", 1)[0] == family}
    for start in range(0, len(parts), ACROSS):
        yield _side_by_side(family, dict(list(parts.items())[start : start + ACROSS]), level)


def _side_by_side(family: str, parts: Mapping[str, Report], level: float | None) -> Table:
    table = Table(Column(family, no_wrap=True), *(Column(name, justify="right") for name in parts))
    first = next(iter(parts.values()))
    ends = {name: {} if level is None else part.intervals(level=level) for name, part in parts.items()}
    size: Sequence[str] | None = None
    for key in first:
        sizes = [f"{users:,} users\n{rows:,} rows" for users, rows in (part.judged(key) for part in parts.values())]
        if sizes != size:
            table.add_row("", *sizes, style="dim")
            size = sizes
        figures = [number(part[key]) for part in parts.values()]
        known = ["" if level is None else f"\n{_ends(ends[name].get(key))}" for name in parts]
        table.add_row(key, *map(add, figures, known))
        for rule in (name for name, other in first.beside.items() if key in other):
            table.add_row(f"  {rule}", *(number(part.beside[rule][key]) for part in parts.values()), style="dim")
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
    console = Console(width=WIDTH, markup=False)  # a column such as "price [eur]" is not markup
    with console.capture() as captured:
        console.print(figures(report, level))
        for family in families:
            for table in slices(report, family, level):
                console.print(table)
    return captured.get() + "\n".join([*report.notes, *(f"warning: {warning}" for warning in report.warnings)])


def _ends(interval: Interval | None) -> str:
    return "-" if interval is None else f"{number(interval.low)} to {number(interval.high)}"
