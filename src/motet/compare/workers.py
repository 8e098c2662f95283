"""Workers: where trials are trained, with an interface like `concurrent.futures`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from queue import Queue
from types import TracebackType
from typing import Any, Self

import torch

from motet.errors import ConfigError


class Workers(ABC):
    """Runs calls; a context manager, after which nothing is running.

    Attributes:
        jobs: Number of calls that run in parallel.
        deaths: Exceptions of a call whose worker died.
    """

    jobs: int = 1
    deaths: tuple[type[BaseException], ...] = ()

    @abstractmethod
    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Begin a call.

        Args:
            call: What to call; `jobs` of them may be open.
            *arguments: Its arguments.

        Returns:
            Its future.
        """

    def abandon(self) -> None:  # noqa: B027 - most need nothing
        """Stop open calls, whose results nobody waits for any longer."""

    def close(self) -> None:  # noqa: B027 - most need nothing
        """Wait for open calls, and release resources."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not issubclass(kind, Exception):  # Ctrl-C: not for as long as a training takes
            self.abandon()
        self.close()


class Here(Workers):
    """This process; `submit` returns when the call has ended."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Make a call; see `Workers.submit`."""
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


class Processes(Workers):
    """Processes of this machine, each with a pool of its own, so that a death affects no other call.

    Args:
        jobs: Number of processes.

    Raises:
        ConfigError: If it is below 1.
    """

    deaths = (BrokenProcessPool,)

    def __init__(self, jobs: int) -> None:
        if jobs < 1:
            raise ConfigError(f"jobs={jobs}; it must be at least 1")
        self.jobs = jobs
        self._threads = max(1, (os.cpu_count() or 1) // jobs)
        self._stop, self._stopped = multiprocessing.Pipe()
        self._free: Queue[ProcessPoolExecutor] = Queue()
        for _ in range(jobs):
            self._free.put(self._pool())

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Begin a call; see `Workers.submit`."""
        pool = self._free.get()
        try:
            with _interrupted_later():
                future = pool.submit(call, *arguments)
        except (BrokenProcessPool, EOFError, OSError) as error:  # it died idle, or together with the fork server
            pool.shutdown(wait=False)
            future = Future()
            future.set_exception(BrokenProcessPool(f"a worker could not begin: {type(error).__name__}: {error}"))
        except BaseException:
            self._free.put(pool)
            raise
        future.add_done_callback(lambda ended: self._freed(pool, ended))
        return future

    def abandon(self) -> None:
        """End the processes, which ignore Ctrl-C."""
        self._stop.close()

    def close(self) -> None:
        """Wait for open calls, and end the processes."""
        for _ in range(self.jobs):
            self._free.get().shutdown(cancel_futures=True)
        self._stop.close()
        self._stopped.close()

    def _pool(self) -> ProcessPoolExecutor:
        # A process forked from this one would inherit torch's threads and hang. The fork server has only imported
        # the code, so its processes start at once.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["motet.compare.work"])
        told = (self._threads, self._stopped)
        return ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=told)

    def _freed(self, pool: ProcessPoolExecutor, ended: Future[Any]) -> None:
        dead = not ended.cancelled() and isinstance(ended.exception(), self.deaths)
        # A pool whose worker died ends by itself, and from Python 3.12 on holds a lock now that its shutdown asks for.
        self._free.put(self._pool() if dead else pool)


class Cluster(Workers):
    """Tasks of a Ray cluster, whose machines find the data under the same paths.

    Args:
        address: Address of the cluster: `"auto"` for the one this machine belongs to, `"local"` for a temporary one.
        jobs: Number of calls that run in parallel.

    Raises:
        ConfigError: If Ray is not installed.
    """

    def __init__(self, address: str, jobs: int) -> None:
        try:
            import ray
        except ImportError as error:
            raise ConfigError("a sweep over a cluster needs Ray; install it with: pip install 'motet[ray]'") from error
        ray.init(address=address, log_to_driver=False, ignore_reinit_error=True)
        self.jobs = jobs
        self.deaths = (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.NodeDiedError,
        )
        self._ray = ray

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Begin a call on one core of the cluster; see `Workers.submit`."""
        remote = self._ray.remote(max_retries=0, num_cpus=1)(call)
        future: Future[Any] = remote.remote(*arguments).future()
        return future

    def close(self) -> None:
        """Leave the cluster."""
        self._ray.shutdown()


def workers(jobs: int, ray: str | None) -> Workers:
    """The workers for a run.

    Args:
        jobs: Number of trials in parallel.
        ray: Address of a Ray cluster; by default this machine.

    Returns:
        This process for one job, processes of this machine for several, or a cluster.

    Raises:
        ConfigError: If `jobs` is below 1, or Ray is asked for and not installed.
    """
    if ray is not None:
        return Cluster(ray, jobs)
    return Here() if jobs == 1 else Processes(jobs)


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Start processes that ignore Ctrl-C, which a terminal sends to all of them, and obey it afterwards.

    Otherwise each would print a traceback: the fork server while it imports, a worker for what its parent took away.
    """
    if threading.current_thread() is not threading.main_thread():  # only that one may change what a signal does
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()  # inherits that it is ignored, and hands it down to workers
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    for number in came[:1]:
        signal.raise_signal(number)


def _begin(threads: int, stopped: Connection) -> None:
    """Divide the cores, and end when the parent says so or ends, even if it is killed."""
    torch.set_num_threads(threads)
    threading.Thread(target=_follow, args=(stopped,), daemon=True).start()


def _follow(stopped: Connection) -> None:
    with suppress(EOFError, OSError):
        stopped.recv()
    os._exit(1)
