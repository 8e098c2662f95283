"""run: trial after trial, several at a time, each chosen by what the earlier ones led to."""

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

RETRIES = 2  # of a trial whose worker died: it may have been killed for the memory of another

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

    A trial is chosen knowing those that came at least as many places before it as there are workers, in their order
    and not in the order in which they happened to end: the same seed and the same number of workers make the same run,
    and one that was killed goes on as if it had not been.

    Args:
        folder: What is known already, and where the rest is written down.
        workers: Where trials are trained.
        propose: From the number of a trial, the trials that ended before it and those that are open: the next one, or
            None to end.
        call: From a trial and those that ended before it: what trains it, and returns it finished.
        told: Hears of every trial that ended, in their order.
        most: Trials at most. Those that a longer run left in the folder are neither trained nor returned.

    Returns:
        All trials, in their order.
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
    """A trial that has not been waited for."""

    trial: Trial
    call: Call | None
    future: Future[Trial] | None = None

    def begin(self, folder: RunFolder, workers: Workers) -> None:
        if self.call is None:
            return
        function, arguments = self.call
        self.future = workers.submit(function, *arguments)
        # At once, and not when its turn comes: a kill must not cost a trial that ended.
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
            raise error  # someone wants to end
        trial = self.future.result() if error is None else self.trial.failed(error)
        folder.write(trial)
        return trial


def _note(folder: RunFolder, future: Future[Trial]) -> None:
    if not future.cancelled() and future.exception() is None:
        with suppress(ArtifactError):  # it is written again when its turn comes, and then heard
            folder.write(future.result())
