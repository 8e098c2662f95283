"""Where trials are trained."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

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
