"""Gate: limits how much work runs and waits at once; further requests are told to try again."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from motet.serve.problem import Problem

Answer = TypeVar("Answer")
RETRY_AFTER_S = 1


class Limits(NamedTuple):
    """Limits of the work of one process.

    Attributes:
        threads: Number of requests computed at once.
        waiting: Number of requests that may wait beyond those; further ones are refused.
        timeout_s: Seconds until a request is given up.
    """

    threads: int = 2
    waiting: int = 64
    timeout_s: float = 10.0


class Gate:
    """Runs work in threads, a few at a time, behind a short queue.

    Args:
        threads: Number of threads.
        waiting: Number of requests that may wait beyond those. A long queue would only answer everybody late, so the
            queue is short and further requests are refused at once.
        timeout_s: Seconds until a request is given up. Work that has started cannot be stopped; it keeps its place
            until it ends.

    Raises:
        Problem: From `run`, with status 503, if the queue is full or the time is over.
    """

    def __init__(self, *, threads: int = 2, waiting: int = 64, timeout_s: float = 10.0) -> None:
        self.threads = threads
        self.places = threads + waiting
        self.timeout_s = timeout_s
        self.inside = 0
        self._began: dict[int, float] = {}  # start of the work in each busy thread, by thread id
        self._counting = threading.Lock()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="motet")

    @property
    def busy(self) -> bool:
        """Whether all threads have work."""
        return self.inside >= self.threads

    @property
    def stuck(self) -> bool:
        """Whether every thread is busy with work that was given up: then no request is answered any more."""
        until = time.monotonic() - self.timeout_s
        began = list(self._began.values())
        return len(began) == self.threads and max(began) < until

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Do some work in a thread.

        Args:
            work: Takes no arguments.

        Returns:
            Its result.

        Raises:
            Problem: If the gate is full, or the time is over.
        """
        return await self.wait(asyncio.wrap_future(self.begin(work)))

    def begin(self, work: Callable[[], Answer]) -> Future[Answer]:
        """Queue some work for the next free thread.

        Args:
            work: Takes no arguments.

        Returns:
            A future of its result.

        Raises:
            Problem: If the gate is full.
        """
        self.enter()
        begun = self._threads.submit(self._work, work)
        begun.add_done_callback(lambda _: self.leave())
        return begun

    async def wait(self, begun: asyncio.Future[Answer]) -> Answer:
        """Wait for work that was queued.

        Args:
            begun: The work.

        Returns:
            Its result.

        Raises:
            Problem: If the time is over.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                return await begun
        except TimeoutError:
            raise come_again("timeout", f"no answer within {self.timeout_s:g} s; try again") from None

    def check(self) -> None:
        """Refuse early what would be refused anyway, before the cost of reading the request.

        Raises:
            Problem: If the gate is full.
        """
        if self.inside >= self.places:
            raise come_again("busy", f"{self.inside} requests are being served or wait; try again")

    def close(self) -> None:
        """Finish the work that has started, and accept no more."""
        self._threads.shutdown(cancel_futures=True)

    def enter(self) -> None:
        """Take a place.

        Raises:
            Problem: If the gate is full.
        """
        with self._counting:
            self.check()
            self.inside += 1

    def leave(self) -> None:
        """Give a place back."""
        with self._counting:
            self.inside -= 1

    def _work(self, work: Callable[[], Answer]) -> Answer:
        thread = threading.get_ident()
        self._began[thread] = time.monotonic()
        try:
            return work()
        finally:
            del self._began[thread]


def come_again(code: str, message: str) -> Problem:
    """A refusal that asks the client to try again.

    Args:
        code: For programs.
        message: For people.

    Returns:
        A 503 with `Retry-After`.
    """
    return Problem(503, message, code=code, headers={"Retry-After": str(RETRY_AFTER_S)})
