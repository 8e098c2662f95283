"""The run, its folder and its trials."""

from __future__ import annotations

import errno
import json
import math
import os
import resource
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from motet.compare.folder import PLAN, RULES, TRIALS, RunFolder, read_trials
from motet.compare.run import RETRIES, run
from motet.compare.sampler import listed
from motet.compare.trial import Trial
from motet.compare.workers import Here, Workers
from motet.errors import ArtifactError, ConfigError, DataError

WAYS = [{"a": value} for value in range(4)]


def double(trial: Trial) -> Trial:
    return replace(trial, state="done", figures={"x": 2.0 * trial.settings["a"]})


def start(
    path: Path, work: Callable[[Trial], Trial] = double, at_work: Workers | None = None, most: int | None = None
) -> list[Trial]:
    told: list[Trial] = []
    with RunFolder(path, {"a": 1}) as folder:
        folder.write_rules({"popularity": {"x": 1.0, "y": math.nan}}, ["a note"])
        found = run(
            folder,
            at_work or Here(),
            propose=listed(WAYS),
            call=lambda trial, _: (work, (trial,)),
            told=told.append,
            most=most,
        )
    assert told == found
    return found


def test_trials_are_written_down_and_not_repeated(tmp_path: Path) -> None:
    found = start(tmp_path)
    assert [trial.figures["x"] for trial in found] == [0, 2, 4, 6]
    assert read_trials(tmp_path) == dict(enumerate(found))
    assert json.loads((tmp_path / RULES).read_text()) == {"beside": {"popularity": {"x": 1.0}}, "notes": ["a note"]}

    def never(_: Trial) -> Trial:
        raise AssertionError("repeated")

    assert start(tmp_path, never) == found


def test_what_was_cut_off_is_taken_up(tmp_path: Path) -> None:
    found = start(tmp_path)
    lines = (tmp_path / TRIALS).read_text().splitlines(keepends=True)
    (tmp_path / TRIALS).write_text("".join(lines[:5]) + lines[5][:9])  # the third trial only started
    assert [trial.state for trial in read_trials(tmp_path).values()] == ["done", "done", "started"]
    seen = []

    def watched(trial: Trial) -> Trial:
        seen.append(trial.number)
        return double(trial)

    assert start(tmp_path, watched) == found
    assert seen == [2, 3]


def test_a_shorter_run_leaves_what_a_longer_one_began(tmp_path: Path) -> None:
    found = start(tmp_path)
    lines = (tmp_path / TRIALS).read_text().splitlines(keepends=True)
    (tmp_path / TRIALS).write_text("".join(lines[:5]))  # the third trial only started
    seen = []

    def watched(trial: Trial) -> Trial:
        seen.append(trial.number)
        return double(trial)

    assert start(tmp_path, watched, most=2) == found[:2]
    assert seen == []


def test_a_trial_that_fails_is_kept_beside_the_others(tmp_path: Path) -> None:
    def odd(trial: Trial) -> Trial:
        if trial.number == 1:
            raise DataError("no such\nrow")
        return double(trial)

    found = start(tmp_path, odd)
    assert [trial.state for trial in found] == ["done", "failed", "done", "done"]
    assert found[1].error == "DataError: no such row"
    assert start(tmp_path) == found


class Mortal(Here):
    """Dies a number of times before each call."""

    deaths = (BrokenProcessPool,)

    def __init__(self, deaths: int) -> None:
        self.left = {1: deaths}

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        number = arguments[0].number
        if self.left.get(number, 0):
            self.left[number] -= 1
            future: Future[Any] = Future()
            future.set_exception(BrokenProcessPool("a process died"))
            return future
        return super().submit(call, *arguments)


@pytest.mark.parametrize(("deaths", "state"), [(RETRIES, "done"), (RETRIES + 1, "failed")])
def test_a_worker_that_dies_is_retried_and_then_given_up(tmp_path: Path, deaths: int, state: str) -> None:
    found = start(tmp_path, at_work=Mortal(deaths))
    assert [trial.state for trial in found] == ["done", state, "done", "done"]
    if state == "failed":
        told = f"ChildProcessError: its worker died {RETRIES + 1} times; if memory ran out, use fewer jobs"
        assert found[1].error == told


def test_someone_who_wants_to_end_is_heard(tmp_path: Path) -> None:
    class Stopped(Here):
        def submit(self, call: Callable[..., Any], /, *arguments: Any) -> Future[Any]:  # noqa: ARG002
            future: Future[Any] = Future()
            future.set_exception(KeyboardInterrupt())
            return future

    with pytest.raises(KeyboardInterrupt):
        start(tmp_path, at_work=Stopped())


def test_no_run_is_written_into_a_saved_model(tmp_path: Path) -> None:
    for name in ("manifest.json", "model.json"):
        (tmp_path / name).write_text("{}")
    for folder in (tmp_path, tmp_path / "sweep"):
        words = "plan.json': .* holds a saved model, which another file would damage; choose a place outside"
        with pytest.raises(ConfigError, match=words), RunFolder(folder, {}):
            raise AssertionError
    assert {file.name for file in tmp_path.iterdir()} == {"manifest.json", "model.json"}


def test_a_run_needs_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = r"file is a file, and a run needs a folder; give another name with -o"
    with pytest.raises(ConfigError, match=words), RunFolder(tmp_path / "file", {}):
        raise AssertionError


def test_one_run_at_a_time_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("999999\n")  # of a process that is gone
    with (
        RunFolder(tmp_path, {}),
        pytest.raises(ConfigError, match=rf"process {os.getpid()} is using .*; wait for it, or give another"),
        RunFolder(tmp_path, {}),
    ):
        pass
    with RunFolder(tmp_path, {}):
        pass


def test_one_run_only_in_a_folder(tmp_path: Path) -> None:
    with RunFolder(tmp_path, {"over": {"a": (1, 2)}, "seed": 0}):
        pass
    with RunFolder(tmp_path, {"over": {"a": [1, 2]}, "seed": 0}):
        pass
    with (
        pytest.raises(ConfigError, match=r"holds another run: over.a is \[1, 2\] there and \[1\] here; give another f"),
        RunFolder(tmp_path, {"over": {"a": [1]}, "seed": 0}),
    ):
        pass
    assert (tmp_path / PLAN).exists()


@pytest.mark.parametrize("call", ["fsync", "replace", "open", "write"])
def test_a_full_disk_keeps_what_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """The plan, the rules, a trial: whichever it hits, the error says what to do, and the run goes on from there."""
    real, left = getattr(os, call), [0 if call in ("open", "write") else 1 if call == "replace" else 7]

    def full(*arguments: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(
            ArtifactError, match=r"could not write to '.*': No space left on device; finished trials are"
        ):
            start(tmp_path)
    assert {number for number, trial in read_trials(tmp_path).items() if trial.finished} == (
        {0, 1, 2} if call == "fsync" else set()
    )
    assert [trial.state for trial in start(tmp_path)] == ["done"] * 4


def test_half_a_line_on_a_full_disk_does_not_spoil_the_next(tmp_path: Path) -> None:
    """What fits is written before the disk says that it is full; another trial may end when there is space again."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with RunFolder(tmp_path, {}) as folder:
        folder.write(Trial(0, {}, state="done"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            with pytest.raises(ArtifactError, match=r"could not write .* finished trials are kept"):
                folder.write(Trial(1, {"a": "b" * 8192}, state="done"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        folder.write(Trial(2, {}, state="done"))
        folder.write(Trial(1, {}, state="done"))
    assert [trial.number for trial in read_trials(tmp_path).values()] == [0, 2, 1]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    start(tmp_path)
    with (tmp_path / TRIALS).open("a") as file:
        file.write("mould\n")
    with pytest.raises(DataError, match=r"line 9 of .*trials.jsonl is not a trial .*; remove the line, or repeat"):
        start(tmp_path)
    (tmp_path / PLAN).write_text("")
    with pytest.raises(DataError, match=r"plan.json is damaged or missing .*; restore it from a copy, or repeat"):
        start(tmp_path)


def test_who_only_reads_leaves_a_line_that_is_being_written(tmp_path: Path) -> None:
    start(tmp_path)
    with (tmp_path / TRIALS).open("a") as file:
        file.write('{"number": 4, ')
    before = (tmp_path / TRIALS).read_bytes()
    assert sorted(read_trials(tmp_path)) == [0, 1, 2, 3]
    assert (tmp_path / TRIALS).read_bytes() == before


def test_a_trial_as_a_line() -> None:
    trial = Trial(3, {"a": [64]}, "pruned", {"x": 1.5}, seconds=2.0, rungs={3: 0.5}, epochs=2, memory={"m": 1})
    assert Trial.of(trial.line()) == trial
    assert trial.figure("y") != trial.figure("y")
