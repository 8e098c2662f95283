"""A comparison as a table for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich import box
from rich.markup import escape
from rich.table import Table

from motet.compare.comparison import SERVED, Comparison, System, Versus, speaks_of
from motet.compare.sweep_table import heading
from motet.compare.verdict import gain_text
from motet.metrics.text import number

WORDS = {"better": "helped", "worse": "HURT", "undecided": "too close"}
STYLES = {"better": "green", "worse": "bold red", "undecided": ""}


def comparison_table(found: Comparison) -> Table:
    """One row per system, one column per headline metric; below, the gains of joint training and gradient cosines.

    Args:
        found: The comparison.

    Returns:
        The table; the cells of a specialist are empty for tasks that it was not trained for.
    """
    count = len(found.seeds)
    title = f"Test rows, {count} seed{'s' * (count > 1)}, intervals of {100 * found.level:g}%"
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=title, title_justify="left")
    drawn.add_column("system")
    for key in found.headlines.values():
        drawn.add_column(escape(heading(key)), justify="right", overflow="fold")
    last: str | None = None
    for system in found.systems:
        if last is not None and system.kind != last:
            drawn.add_section()
        last = system.kind
        cells = [_cell(system, name, key) for name, key in found.headlines.items()]
        if any(cells):
            drawn.add_row(escape(system.name), *cells, style="bold" if system.kind == "joint" else "")
    drawn.add_section()
    transfers = found.transfers
    drawn.add_row(
        "joint over specialist", *["" if name == SERVED else _gained(transfers.get(name)) for name in found.headlines]
    )
    for other in found.conflicts:
        cosines = [_cosine(found.conflicts.get(name.partition("/")[0], {}), other) for name in found.headlines]
        if any(cosines):
            drawn.add_row(f"gradient cosine with {escape(other)}", *cosines)
    if found.mean_gain is not None:
        drawn.add_row("mean gain", escape(gain_text(found.mean_gain)))
    return drawn


def _cell(system: System, name: str, key: str) -> str:
    if not speaks_of(system.task, name):
        return ""
    if key not in system.figures:
        return "not trained" if any(system.errors) else ""
    told = system.figures[key]
    return number(told.value) + ("" if math.isnan(told.low) else rf" \[{number(told.low)}, {number(told.high)}]")


def _gained(each: Versus | None) -> str:
    if each is None:
        return "unknown"
    style, told = STYLES[each.outcome], WORDS[each.outcome]
    if not math.isnan(each.gain.value):  # the specialist scores 0
        told = f"{escape(gain_text(each.gain))} {told}"
    return f"[{style}]{told}[/]" if style else told


def _cosine(cosines: Mapping[str, float], other: str) -> str:
    return f"{cosines[other]:+.2f}" if other in cosines else ""
