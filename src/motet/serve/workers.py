"""Workers: several processes that serve one address, replaced when they die or hang, and stopped together."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from motet.errors import ConfigError, MotetError
from motet.serve.log import log_event
from motet.serve.metrics import SHARED, count_as, forget_process

POLL_S = 0.2
RETRY_S = 1.0  # before a worker that died during its start is started again: the reason may persist
GRACE_S = 20.0  # for requests in progress when the service stops; uvicorn gives them 10
SILENT_S = 30.0  # a worker without a sign of life for this long hangs; one that is merely busy still gives them
BEAT_S = 0.5  # between signs of life while a worker starts
PASSED_S = 1.0  # most that one look counts: while the machine was suspended, nobody could give a sign of life

Say = Callable[[], None]
Work = Callable[[socket.socket, Say, Say], None]


class Workers:
    """Processes that accept connections from one socket; if one dies, the others accept those still waiting there.

    Args:
        work: Serves until the process gets SIGTERM; calls its second argument once it is ready, and its third
            repeatedly as a sign of life. Must be picklable.
        listening: A socket that listens already.
        count: Number of processes.
        folder: Folder of the metrics, which the processes share.
        silent_s: A worker that gives no sign of life for this many seconds is killed and replaced: a process that is
            stopped or deadlocked neither answers nor ends. gunicorn waits equally long.
    """

    def __init__(
        self, work: Work, listening: socket.socket, *, count: int, folder: str, silent_s: float = SILENT_S
    ) -> None:
        os.environ[SHARED] = folder
        self.folder = folder
        self.silent_s = silent_s
        self._work = work
        self._listening = listening
        self._workers = [_Worker(work, listening, place) for place in range(count)]

    def run(self, ready: Callable[[], None]) -> None:
        """Keep all workers alive until this process gets SIGTERM or SIGINT; then let them finish and stop them.

        Args:
            ready: Called once all workers serve.

        Raises:
            ConfigError: If a worker cannot start.
        """
        with _stopping() as stopping:
            try:
                self._await_all(stopping)
                if not stopping.is_set():
                    ready()
                looked = time.monotonic()
                while not stopping.is_set():
                    wait([worker.process.sentinel for worker in self._workers], POLL_S)
                    self._replace_dead(stopping)
                    before, looked = looked, time.monotonic()
                    self._kill_hung(min(looked - before, PASSED_S))
            finally:
                self._end()

    def _await_all(self, stopping: threading.Event) -> None:
        while not stopping.is_set() and not all(worker.is_ready() for worker in self._workers):
            wait([worker.line for worker in self._workers if not worker.ready], POLL_S)
            for worker in self._workers:
                if not worker.is_ready() and not worker.process.is_alive():
                    raise ConfigError(
                        worker.reason or "a worker ended before it could serve; its own messages are above"
                    )

    def _replace_dead(self, stopping: threading.Event) -> None:
        for place, worker in enumerate(self._workers):
            if worker.process.is_alive():
                continue
            forget_process(place, self.folder)
            started = worker.is_ready()
            log_event("worker", ended=worker.process.exitcode, reason=worker.reason)
            if not started:
                stopping.wait(RETRY_S)
            if not stopping.is_set():
                worker.line.close()
                self._workers[place] = _Worker(self._work, self._listening, place)

    def _kill_hung(self, passed_s: float) -> None:
        """Kill workers that have been silent for too long; the next look finds them dead."""
        for worker in self._workers:
            if worker.silent(passed_s) > self.silent_s:
                log_event("worker", hangs=worker.process.pid, silent_s=self.silent_s)
                worker.process.kill()
                worker.silent_s = 0.0

    def _end(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
        until = time.monotonic() + GRACE_S
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            worker.process.kill()


class _Worker:
    """One process, and a pipe to it: the process reports that it is ready, and ends when the other end is closed."""

    def __init__(self, work: Work, listening: socket.socket, place: int) -> None:
        processes = multiprocessing.get_context("spawn")
        self.line, its = processes.Pipe()
        self.ready = False
        self.reason = ""
        self.silent_s = 0.0
        self._beats = processes.RawValue("Q")  # shared memory: unlike a pipe, it never blocks the writer
        self._heard = 0
        told = (work, listening, its, self._beats, place)
        self.process = processes.Process(target=_begin, args=told, name="motet-worker")
        resource_tracker.ensure_running()  # or the first start would run it, which unblocks signals
        # It inherits the block: a terminal interrupts all processes, and then the service stops its workers.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self.process.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        its.close()

    def is_ready(self) -> bool:
        """Whether the process has reported that it is ready, or else, in `reason`, why it cannot start."""
        try:
            while not self.ready and not self.reason and self.line.poll():
                self.reason = self.line.recv()
                self.ready = not self.reason
        except (EOFError, OSError):
            pass
        return self.ready

    def silent(self, passed_s: float) -> float:
        """Seconds without a sign of life after the first one; `passed_s` have passed since the last look."""
        beats = self._beats.value
        self.silent_s = self.silent_s + passed_s if beats == self._heard > 0 else 0.0
        self._heard = beats
        return self.silent_s


def _begin(work: Work, listening: socket.socket, line: Connection, beats: Any, place: int) -> None:
    """The main function of a worker."""
    count_as(place)
    ready = threading.Event()

    def beat() -> None:
        beats.value += 1

    def say_ready() -> None:
        ready.set()
        line.send("")

    def beat_until_ready() -> None:
        while not ready.wait(BEAT_S):
            beat()

    threading.Thread(target=_end_with_parent, args=(line,), daemon=True).start()
    threading.Thread(target=beat_until_ready, daemon=True).start()
    try:
        work(listening, say_ready, beat)
    except MotetError as error:
        line.send(str(error))
        sys.exit(1)


def _end_with_parent(line: Connection) -> None:
    try:
        line.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set."""
    stopping = threading.Event()
    before = {name: signal.signal(name, lambda *_: stopping.set()) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
