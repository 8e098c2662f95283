"""What a person sees while a model trains: one bar, on stderr, with every loss."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class TrainingProgress:
    """A progress bar over all steps of a training.

    Args:
        epochs: How many epochs there are.
        steps: Batches an epoch.
        done: Epochs that lie behind, when training goes on from a checkpoint.
        shown: Whether to show anything.
    """

    def __init__(self, *, epochs: int, steps: int, done: int = 0, shown: bool = True) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=Console(stderr=True),
            disable=not shown,
        )
        self._epochs = epochs
        self._task = self._bar.add_task(
            f"epoch {done + 1}/{epochs}", total=epochs * steps, completed=done * steps, figures=""
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def step(self, epoch: int, losses: Mapping[str, float]) -> None:
        """One batch is done.

        Args:
            epoch: Which epoch it belongs to, from 0.
            losses: The epoch's losses so far, by name.
        """
        figures = "  ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
        self._bar.update(self._task, advance=1, description=f"epoch {epoch + 1}/{self._epochs}", figures=figures)
