"""run: trials, several at a time, each chosen from the results of earlier ones."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from motet.compare.folder import RunFolder
from motet.compare.trial import Trial
from motet.compare.workers import Workers
from motet.errors import ArtifactError

RETRIES = 2  # of a trial whose worker died: it may have been killed because another used too much memory

Propose = Callable[[int, Sequence[Trial], Sequence[Trial]], Trial | None]
Call = tuple[Callable[..., Trial], tuple[Any, ...]]


def run(
    folder: RunFolder,
    workers: Workers,
    *,
    propose: Propose,
    call: Callable[[Trial, Sequence[Trial]], Call],
    told: Callable[[Trial], None],
    most: int | None = None,
) -> list[Trial]:
    """Train trials until none is proposed.

    With n workers, a trial is chosen from the results of the trials at least n places before it, in order of their
    numbers and not of their ends. So the same seed and number of workers give the same run, and a run that was killed
    resumes with the same trials.

    Args:
        folder: Finished trials, and the place where further ones are recorded.
        workers: Where trials are trained.
        propose: Given the number of a trial, the earlier trials that ended and those that are open, returns the next
            trial, or None to end.
        call: Given a trial and the earlier ones that ended, returns the call that trains it.
        told: Called with every trial that ended, in order.
        most: Number of trials at most. Trials beyond it that a longer run recorded are neither trained nor returned.

    Returns:
        All trials, in order.
    """
    ended: list[Trial] = []
    open_: deque[_Open] = deque()

    def settle() -> None:
        ended.append(open_.popleft().settle(folder, workers))
        told(ended[-1])

    for number in itertools.count() if most is None else range(most):
        while len(open_) >= workers.jobs:
            settle()
        trial = folder.trials.get(number) or propose(number, ended, [each.trial for each in open_])
        if trial is None:
            break
        folder.write(trial)
        open_.append(_Open(trial, None if trial.finished else call(trial, tuple(ended))))
        open_[-1].begin(folder, workers)
    while open_:
        settle()
    return ended


@dataclass
class _Open:
    """A trial whose result is not known yet."""

    trial: Trial
    call: Call | None
    future: Future[Trial] | None = None

    def begin(self, folder: RunFolder, workers: Workers) -> None:
        if self.call is None:
            return
        function, arguments = self.call
        self.future = workers.submit(function, *arguments)
        # Recorded when it ends, not when its turn comes, so that a kill does not lose it.
        self.future.add_done_callback(lambda future: _note(folder, future))

    def settle(self, folder: RunFolder, workers: Workers) -> Trial:
        for _ in range(RETRIES):
            if self.future is None or not isinstance(self.future.exception(), workers.deaths):
                break
            self.begin(folder, workers)
        if self.future is None:
            return self.trial
        error = self.future.exception()
        if error is not None and not isinstance(error, Exception):
            raise error  # KeyboardInterrupt or SystemExit
        if isinstance(error, workers.deaths):
            error = ChildProcessError(f"its worker died {1 + RETRIES} times; if memory ran out, use fewer jobs")
        trial = self.future.result() if error is None else self.trial.failed(error)
        folder.write(trial)
        return trial


def _note(folder: RunFolder, future: Future[Trial]) -> None:
    if not future.cancelled() and future.exception() is None:
        with suppress(ArtifactError):  # it is written again when its turn comes, and the error is raised then
            folder.write(future.result())
