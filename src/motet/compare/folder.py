"""RunFolder: records trials as they end, so that a kill loses none of them."""

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

from motet.artifact.folder import check_outside
from motet.compare.trial import Trial
from motet.errors import ArtifactError, ConfigError, DataError
from motet.whole_file import whole_file

PLAN, RULES, TRIALS, LOCK = "plan.json", "rules.json", "trials.jsonl", "lock"


class RunFolder:
    """The folder of a run, locked by one process at a time; a context manager.

    The operating system releases the lock when the process ends, however it ends, so no lock is ever stale.

    Args:
        path: The folder; created if it does not exist.
        plan: Description of the run, as JSON can hold it.

    Raises:
        ConfigError: On entering: if another process is using the folder, it is a file, or it holds or lies in a
            saved model or a report, or it holds another run.
        DataError: On entering: if a file of the run is damaged.
        ArtifactError: If the folder cannot be written; earlier records are kept.

    Attributes:
        trials: Recorded trials by number: finished ones, and those that only started.
    """

    def __init__(self, path: str | Path, plan: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.plan = json.loads(json.dumps(plan))
        self.trials: dict[int, Trial] = {}
        self._guard = Lock()
        self._lock: int | None = None

    def __enter__(self) -> Self:
        check_outside(self.path / PLAN)
        if self.path.is_file():
            raise ConfigError(f"{self.path} is a file, and a run needs a folder; give another name with -o")
        with _writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._hold(self._lock)
            self._same_run()
            self.trials = read_trials(self.path, repair=True)
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)

    def write_rules(self, rules: Mapping[str, Mapping[str, float]], notes: Sequence[str]) -> None:
        """Record the metrics of simple rules, for readers without the data.

        Args:
            rules: Metrics by rule; NaN is left out.
            notes: How the rows were chosen and ranked.
        """
        known = {
            name: {key: each for key, each in figures.items() if not math.isnan(each)}
            for name, figures in rules.items()
        }
        write_whole(self.path / RULES, json.dumps({"beside": known, "notes": list(notes)}, indent=1))

    def write(self, trial: Trial) -> None:
        """Record a trial, once when it starts and once when it ends; it is on disk when this returns.

        Args:
            trial: Started or finished.
        """
        with self._guard:
            known = self.trials.get(trial.number)
            if known is not None and (known.finished or not trial.finished):
                return
            with _writing(self.path):
                _append(self.path / TRIALS, trial.line() + "\n")
            self.trials[trial.number] = trial

    def _hold(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(lock, 64).decode(errors="replace").strip()
            raise ConfigError(
                f"process {holder or 'of another machine'} is using {self.path}; wait for it, or give another "
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
        difference = _difference(read_json(file), self.plan)
        if difference:
            raise ConfigError(
                f"{self.path} holds another run: {difference}; give another folder with -o, or remove this one"
            )


def read_trials(path: Path, *, repair: bool = False) -> dict[int, Trial]:
    """Read the trials of a folder, without an incomplete last line, which a kill may have left.

    Args:
        path: The folder.
        repair: Whether to remove an incomplete last line from the file, so that more lines can be added. Only for the
            process that writes to the folder: to others, a line is incomplete while it is written.

    Returns:
        Trials by number.

    Raises:
        DataError: If a line is not a trial; the message names it.
    """
    file = path / TRIALS
    if not file.exists():
        return {}
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if repair and whole != content:
        os.truncate(file, len(whole))
    trials = [_trial(line, f"line {number} of {file}") for number, line in enumerate(whole.split(b"\n")[:-1], 1)]
    return {trial.number: trial for trial in trials}


def _trial(line: bytes, place: str) -> Trial:
    try:
        return Trial.of(line.decode())
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{place} is not a trial ({error}); remove the line, or repeat the run") from error


def read_json(file: Path) -> dict[str, Any]:
    """Read a file of a run.

    Args:
        file: A file that holds a JSON object.

    Returns:
        The object.

    Raises:
        DataError: If the file is missing or damaged.
    """
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, FileNotFoundError) as error:
        raise DataError(
            f"{file} is damaged or missing ({error}); restore it from a copy, or repeat the run in another folder"
        ) from error
    return found if isinstance(found, dict) else {}


def write_whole(file: Path, text: str) -> None:
    """Write a file whole or not at all.

    Args:
        file: The file; an existing one is replaced at the end.
        text: Its contents.

    Raises:
        ArtifactError: If the file cannot be written.
    """
    with _writing(file.parent), whole_file(file) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def _append(file: Path, line: str) -> None:
    """Append a line whole or not at all: half of it, left by a full disk, would spoil the next one."""
    before = file.stat().st_size if file.exists() else 0
    try:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(line)
    except OSError:
        if file.exists():
            os.truncate(file, before)
        raise
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtifactError(
            f"could not write to {str(folder)!r}: {error.strerror}; finished trials are kept. Free some space and run "
            "the same command again, or give another folder with -o"
        ) from error


def _difference(there: Any, here: Any, place: str = "") -> str:
    """The first difference between two plans."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *here]:
            told = _difference(there.get(key), here.get(key), f"{place}.{key}" if place else key)
            if told:
                return told
        return ""
    return "" if there == here else f"{place} is {there!r} there and {here!r} here"
