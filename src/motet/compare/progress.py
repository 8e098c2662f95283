"""The progress bar of a run, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from motet.compare.trial import Trial


@contextmanager
def trial_progress(total: int | None, *, shown: bool) -> Iterator[Callable[[Trial], None]]:
    """Count trials as they end, and show the last one.

    Args:
        total: Number of trials; None if a time limit ends the run.
        shown: Whether to show the bar.

    Yields:
        A function to call with each trial that ended.
    """
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("trials"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}", markup=False),
        console=Console(stderr=True),
        disable=not shown,
    )
    task = bar.add_task("", total=total, last="")

    def ended(trial: Trial) -> None:
        settings = "  ".join(f"{key}={value}" for key, value in trial.settings.items())
        bar.update(task, advance=1, last=f"last: {trial.number} {trial.state}  {settings}")

    with bar:
        yield ended
