"""Where trials are trained."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from motet.compare import sweep
from motet.compare.workers import Here, Processes, Workers, workers
from motet.errors import ConfigError
from motet.project import Project


def test_where_trials_are_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(workers(1, None), Here)
    with workers(2, None) as pool:
        assert pool.jobs == 2
    with pytest.raises(ConfigError, match="jobs=0; it must be at least 1"):
        workers(0, None)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"needs Ray; install it with: pip install 'motet\[ray\]'"):
        workers(2, "local")


def test_processes_outlive_one_that_dies() -> None:
    with Processes(2) as pool:
        first, other = pool.submit(os._exit, 3), pool.submit(os.getpid)
        assert isinstance(first.exception(), pool.deaths)
        assert pool.submit(os.getpid).result() != os.getpid()
        assert other.result() != os.getpid()


def test_processes_outlive_one_that_dies_while_it_waits() -> None:
    with Processes(1) as pool:
        os.kill(pool.submit(os.getpid).result(), signal.SIGKILL)
        assert isinstance(pool.submit(os.getpid).exception(), pool.deaths)
        assert pool.submit(os.getpid).result() != os.getpid()


def test_a_call_that_cannot_begin_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where what forks the workers was killed, or someone wants to end."""

    def refuse(*_: object) -> None:
        raise reasons.pop()

    with Processes(1) as pool, monkeypatch.context() as patched:
        patched.setattr(ProcessPoolExecutor, "submit", refuse)
        reasons: list[BaseException] = [KeyboardInterrupt(), EOFError("unexpected EOF")]
        with pytest.raises(BrokenProcessPool, match="a worker could not begin: EOFError: unexpected EOF"):
            pool.submit(os.getpid).result()
        with pytest.raises(KeyboardInterrupt):
            pool.submit(os.getpid)


@pytest.fixture
def obeying_ctrl_c() -> Iterator[None]:
    """Obey it also where tests run in the background of a shell, which makes programs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("obeying_ctrl_c")
def test_ctrl_c_reaches_no_process_and_ends_this_one_when_they_have_started(monkeypatch: pytest.MonkeyPatch) -> None:
    submit = ProcessPoolExecutor.submit

    def interrupted(*arguments: Any) -> Future[Any]:
        signal.raise_signal(signal.SIGINT)
        begun.append(submit(*arguments))
        return begun[0]

    begun: list[Future[Any]] = []
    with Processes(1) as pool:
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
        with monkeypatch.context() as patched:
            patched.setattr(ProcessPoolExecutor, "submit", interrupted)
            with pytest.raises(KeyboardInterrupt):
                pool.submit(os.getpid)
        assert begun[0].result() == pool.submit(os.getpid).result()
        with ThreadPoolExecutor(1) as thread:  # which cannot change what a signal does
            assert thread.submit(lambda: pool.submit(os.getpid).result()).result() == begun[0].result()


@pytest.mark.parametrize("reason", [KeyboardInterrupt, SystemExit])
def test_open_calls_are_stopped_when_nobody_waits_for_them(reason: type[BaseException]) -> None:
    begun: list[Future[Any]] = []

    def leave() -> None:
        with Processes(2) as pool:
            begun.append(pool.submit(time.sleep, 600))
            raise reason

    with pytest.raises(reason):
        leave()
    assert isinstance(begun[0].exception(), BrokenProcessPool)


@pytest.mark.filterwarnings("ignore")  # Ray's own
class TestCluster:
    """Ray is heavy and not among the packages of development: these run where it is installed."""

    @pytest.fixture
    def cluster(self) -> Iterator[Workers]:
        pytest.importorskip("ray")
        with workers(2, "local") as found:
            yield found

    def test_outlives_a_worker_that_dies(self, cluster: Workers) -> None:
        assert isinstance(cluster.submit(lambda: os._exit(3)).exception(), cluster.deaths)
        assert cluster.submit(lambda: os.getpid()).result() != os.getpid()

    def test_trains_what_this_process_trains(self, project: Project, tmp_path: Path) -> None:
        pytest.importorskip("ray")
        over = {"towers.*.dim": [2, 4], "training.epochs": [1], "tasks.1.dropout": [0.5]}
        here, there = (
            sweep(project, over=over, folder=tmp_path / name, progress=False, **more)  # type: ignore[arg-type]
            for name, more in (("here", {}), ("there", {"jobs": 2, "ray": "local"}))
        )
        assert [trial.state for trial in there.trials] == ["done", "done"]
        assert [trial.figures for trial in there.trials] == [pytest.approx(trial.figures) for trial in here.trials]
