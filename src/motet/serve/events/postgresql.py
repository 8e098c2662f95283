"""TimedConnection: a connection to PostgreSQL that gives up on a server that no longer answers."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

ANSWER_TIMEOUT_S = 6.0  # longer than `statement_timeout`, so that a server that can still answer says what is wrong

Result = TypeVar("Result")


class TimedConnection(psycopg.Connection[Any]):
    """A connection that waits `ANSWER_TIMEOUT_S` for each answer of the server and is then closed.

    The server's own timeouts do not help if its process or its disk hangs: the network still confirms every packet, and
    without this class a request would wait for ever.

    Raises:
        psycopg.OperationalError: If there is no answer in time.
    """

    def wait(self, gen: Generator[Any, Any, Result], *args: Any, **kwargs: Any) -> Result:
        """Wait for an answer.

        Args:
            gen: Reads the answer; psycopg resumes it at least ten times a second.
            *args: Arguments of psycopg.
            **kwargs: Arguments of psycopg.

        Returns:
            What `gen` returns.
        """
        try:
            return super().wait(_limited(gen, time.monotonic() + ANSWER_TIMEOUT_S), *args, **kwargs)
        except _LateError:
            self.pgconn.finish()  # `close` would say good-bye to the server first
            raise psycopg.OperationalError(f"the server did not answer within {ANSWER_TIMEOUT_S:g} s") from None


class _LateError(Exception):
    """There was no answer in time."""


def _limited(gen: Generator[Any, Any, Result], deadline: float) -> Generator[Any, Any, Result]:
    """The same generator until the deadline."""
    try:
        waits = next(gen)
        while True:
            ready = yield waits
            if not ready and time.monotonic() > deadline:
                raise _LateError
            waits = gen.send(ready)
    except StopIteration as end:
        result: Result = end.value
        return result
