"""A sweep as a table for the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from motet.compare.sweep_result import Sweep
from motet.compare.trial import Trial
from motet.metrics.text import number

ON_FRONT = "*"


def sweep_table(found: Sweep) -> Table:
    """The trials of a sweep: the front is marked, dominated trials are grey, and simple rules stand below.

    Args:
        found: The sweep.

    Returns:
        One row per trial.
    """
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title="Validation rows", title_justify="left")
    keys = list(dict.fromkeys(key for trial in found.trials for key in trial.settings))
    beside = rules(found.yardstick.beside, found.objectives)
    words = [word for name in beside for word in name.split()]
    drawn.add_column("trial", justify="right", overflow="fold", min_width=max(map(len, words), default=0))
    for name in (*keys, *found.objectives, "s"):
        drawn.add_column(heading(name), justify="right", overflow="fold")
    front = {trial.number for trial in found.front}
    for trial in found.trials:
        mark = ON_FRONT if trial.number in front else " "
        style = "bold" if trial.number in front else "red" if trial.state == "failed" else "bright_black"
        settings = [_plain(trial.settings.get(key, "")) for key in keys]
        figures = [_figure(trial, key) for key in found.objectives]
        drawn.add_row(f"{mark} {trial.number}", *settings, *figures, f"{trial.seconds:.1f}", style=style)
    drawn.add_section()
    for name, row in beside.items():
        drawn.add_row(name, *[""] * len(keys), *row, "")
    return drawn


def rules(beside: Mapping[str, Mapping[str, float]], keys: Sequence[str]) -> dict[str, list[str]]:
    """The metrics of simple rules, as text.

    Args:
        beside: Metrics by rule.
        keys: Keys of the metrics to show.

    Returns:
        Cells by rule; a rule that has none of the metrics is left out.
    """
    found = {name: [figures.get(key, math.nan) for key in keys] for name, figures in beside.items()}
    return {
        name: ["" if math.isnan(each) else number(each) for each in row]
        for name, row in found.items()
        if not all(map(math.isnan, row))
    }


def heading(name: str) -> str:
    r"""A setting or the key of a metric over a narrow column: broken between its parts, not within a word.

    Args:
        name: The name.

    Returns:
        Its parts, one a line.

    Example:
        >>> heading("retrieval/unseen/ndcg@10"), heading("training.optimizer.lr")
        ('retrieval\nunseen\nndcg@10', 'training.\noptimizer.\nlr')
    """
    return name.replace("/", "\n") if "/" in name else name.replace(".", ".\n")


def _figure(trial: Trial, key: str) -> str:
    if key not in trial.figures:
        return trial.state
    spread = f" +- {number(trial.spread[key])}" if key in trial.spread else ""
    return f"{number(trial.figures[key])}{spread}"


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
