"""RunFolder: where trials are written down as they end, so that a kill costs none of them."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from motet.compare.trial import Trial
from motet.errors import ArtifactError, ConfigError

PLAN, RULES, TRIALS, LOCK = "plan.json", "rules.json", "trials.jsonl", "lock"


class RunFolder:
    """The folder of a run, held by one process at a time: a context.

    The operating system gives the lock up when its process ends, however it ends, so that no lock is ever stale.

    Args:
        path: The folder; made if need be.
        plan: What the run is to do, as JSON can hold it.

    Raises:
        ConfigError: On entering: if another process is at work there, or the folder holds another run.
        ArtifactError: If the disk is full or refuses to be written; what was written down before is kept.

    Attributes:
        trials: What was written down, by number: those that ended, and those that only started.
    """

    def __init__(self, path: str | Path, plan: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.plan = json.loads(json.dumps(plan))
        self.trials: dict[int, Trial] = {}
        self._guard = Lock()
        self._lock: int | None = None

    def __enter__(self) -> Self:
        with _writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._hold(self._lock)
            self._same_run()
            self.trials = read_trials(self.path)
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)

    def beside(self, rules: Mapping[str, Mapping[str, float]], notes: Sequence[str]) -> None:
        """Write down what simple rules reach, for those who read the folder without the data.

        Args:
            rules: Figures by rule; those that are not known are left out.
            notes: How the rows were chosen, and what is ranked among what.
        """
        known = {
            name: {key: each for key, each in figures.items() if not math.isnan(each)}
            for name, figures in rules.items()
        }
        write_whole(self.path / RULES, json.dumps({"beside": known, "notes": list(notes)}, indent=1))

    def write(self, trial: Trial) -> None:
        """Write a trial down, once when it starts and once when it ends; on disk when this returns.

        Args:
            trial: Started or finished.
        """
        with self._guard:
            known = self.trials.get(trial.number)
            if known is not None and (known.finished or not trial.finished):
                return
            with _writing(self.path), (self.path / TRIALS).open("a", encoding="utf-8") as file:
                file.write(trial.line() + "\n")
                file.flush()
                os.fsync(file.fileno())
            self.trials[trial.number] = trial

    def _hold(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(lock, 64).decode(errors="replace").strip()
            raise ConfigError(
                f"process {holder or 'of another machine'} is at work in {self.path}; wait for it, or give another "
                "folder with -o"
            ) from error
        with _writing(self.path):
            os.truncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())

    def _same_run(self) -> None:
        file = self.path / PLAN
        if not file.exists():
            write_whole(file, json.dumps(self.plan, indent=1))
            return
        difference = _difference(json.loads(file.read_text(encoding="utf-8")), self.plan)
        if difference:
            raise ConfigError(
                f"{self.path} holds another run: {difference}; give another folder with -o, or remove this one"
            )


def read_trials(path: Path) -> dict[int, Trial]:
    """What was written down in a folder; a last line that a kill cut off is taken away.

    Args:
        path: The folder.

    Returns:
        Trials by number.
    """
    file = path / TRIALS
    if not file.exists():
        return {}
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(file, len(whole))
    trials = (Trial.of(line) for line in whole.decode("utf-8").splitlines())
    return {trial.number: trial for trial in trials}


def write_whole(file: Path, text: str) -> None:
    """Write a file whole or not at all.

    Args:
        file: Which; one that is there stays until then.
        text: What it is to hold.

    Raises:
        ArtifactError: If the disk is full or refuses to be written.
    """
    unfinished = file.with_name(file.name + ".unfinished")
    with _writing(file.parent):
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, file)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtifactError(
            f"could not write to {str(folder)!r}: {error.strerror}; what ended before is kept. Make room and run the "
            "same command again, or give another folder with -o"
        ) from error


def _difference(there: Any, here: Any, place: str = "") -> str:
    """The first thing that two plans do not share."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *here]:
            told = _difference(there.get(key), here.get(key), f"{place}.{key}" if place else key)
            if told:
                return told
        return ""
    return "" if there == here else f"{place} is {there!r} there and {here!r} here"
