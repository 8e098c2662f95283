"""What a person sees while trials run: one bar, on stderr."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from motet.compare.trial import Trial


class TrialProgress:
    """Counts trials as they end, and shows the last one.

    Args:
        shown: Whether to show anything.
    """

    def __init__(self, *, shown: bool) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.completed} trials"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[last]}"),
            console=Console(stderr=True),
            disable=not shown,
        )
        self._task = self._bar.add_task("", total=None, last="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def told(self, trial: Trial) -> None:
        """A trial ended.

        Args:
            trial: Which.
        """
        settings = "  ".join(f"{key}={value}" for key, value in trial.settings.items())
        self._bar.update(self._task, advance=1, last=f"last: {trial.number} {trial.state}  {settings}")
