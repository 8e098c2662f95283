"""A comparison as a table for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich import box
from rich.table import Table

from motet.compare.comparison import Comparison, Estimate, System, Versus

WORDS = {"better": "helped", "worse": "HURT", "undecided": "too close"}
STYLES = {"better": "green", "worse": "bold red", "undecided": ""}


def comparison_table(found: Comparison) -> Table:
    """One line a system and one column a task; below, what joint training gained, and how gradients lie.

    Args:
        found: By `compare`.

    Returns:
        The table; a specialist's figures in the tasks it was not trained for are grey.
    """
    count = len(found.seeds)
    title = f"Test rows, {count} seed{'s' * (count > 1)}, intervals of {found.level:.0%}"
    drawn = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    drawn.add_column("system")
    for key in found.tasks.values():
        drawn.add_column(key, justify="right")
    last: str | None = None
    for system in found.systems:
        if last is not None and system.kind != last:
            drawn.add_section()
        last = system.kind
        cells = [_cell(system, task, key) for task, key in found.tasks.items()]
        if any(cells):
            drawn.add_row(system.name, *cells, style="bold" if system.kind == "joint" else "")
    drawn.add_section()
    transfers = found.transfers
    drawn.add_row("joint over specialist", *[_gained(transfers.get(task)) for task in found.tasks])
    for other in found.tasks:
        cosines = [_cosine(found.conflicts.get(task, {}), other) for task in found.tasks]
        if any(cosines):
            drawn.add_row(f"gradient cosine with {other}", *cosines)
    if found.mean_gain is not None:
        drawn.add_row("mean gain", _percent(found.mean_gain))
    return drawn


def _cell(system: System, task: str, key: str) -> str:
    if key not in system.figures:
        return "not trained" if any(system.errors) and system.task in (None, task) else ""
    told = system.figures[key]
    text = f"{told.value:.4f}"
    text += "" if math.isnan(told.low) else rf" \[{told.low:.4f}, {told.high:.4f}]"
    return text if system.task in (None, task) else f"[bright_black]{text}[/]"


def _gained(each: Versus | None) -> str:
    if each is None:
        return "unknown"
    style = STYLES[each.outcome]
    told = f"{_percent(each.gain)} {WORDS[each.outcome]}"
    return f"[{style}]{told}[/]" if style else told


def _percent(gain: Estimate) -> str:
    return rf"{100 * gain.value:+.1f} % \[{100 * gain.low:.1f}, {100 * gain.high:.1f}]"


def _cosine(cosines: Mapping[str, float], other: str) -> str:
    return f"{cosines[other]:+.2f}" if other in cosines else ""
