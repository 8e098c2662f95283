"""The progress bar of training, on stderr, with every loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Step = Callable[[int, Mapping[str, float]], None]


@contextmanager
def training_progress(*, epochs: int, steps: int, done: int = 0, shown: bool = True) -> Iterator[Step]:
    """A progress bar over all steps of a training.

    Args:
        epochs: The number of epochs.
        steps: Batches an epoch.
        done: Epochs that are already done, when training resumes from a checkpoint.
        shown: Whether to show anything.

    Yields:
        A function to call after each batch, with its epoch, from 0, and the epoch's losses so far, by name.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
        console=Console(stderr=True),
        disable=not shown,
    )
    task = bar.add_task(f"epoch {done + 1}/{epochs}", total=epochs * steps, completed=done * steps, figures="")

    def step(epoch: int, losses: Mapping[str, float]) -> None:
        figures = "  ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
        bar.update(task, advance=1, description=f"epoch {epoch + 1}/{epochs}", figures=figures)

    with bar:
        yield step
