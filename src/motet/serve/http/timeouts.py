"""TimeoutProtocol: an HTTP connection that waits for a slow client only so long, and one of only so many."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from motet.serve.gate import come_again

HEAD_TIMEOUT_S = 10.0
BODY_TIMEOUT_S = 15.0  # longer than the guard's, which says so
LARGEST_HEAD = 1 << 16
READ_TIMEOUT_S = 30.0
IDLE_TIMEOUT_S = (
    75  # longer than clients and proxies keep a connection (60 s at most, commonly): who ends it must be they
)
CROWDED_IDLE_TIMEOUT_S = 5
MOST_CONNECTIONS = 900  # each needs a file descriptor, and 1,024 are what most systems give a process


class TimeoutProtocol(HttpToolsProtocol):
    """One connection of uvicorn, which of itself would wait for ever.

    The head of a request has to come whole within `HEAD_TIMEOUT_S`, its body within `BODY_TIMEOUT_S`, also where it was
    answered before, as `Guard` does with one that is large or late. Where an answer is larger than what the system
    takes, the client has to read the rest within `READ_TIMEOUT_S`. Else the connection ends. Beyond `MOST_CONNECTIONS`
    a request is answered 503.

    A connection that is kept ends after `IDLE_TIMEOUT_S` without a request, or `CROWDED_IDLE_TIMEOUT_S` where more than
    half of `MOST_CONNECTIONS` are open. A request that is under way at that moment is lost: the service says goodbye
    while the client speaks.

    Args:
        *args: As uvicorn gives them.
        **kwargs: As uvicorn gives them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unsent: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._head: int | None = 0  # bytes of it so far; None where it is whole

    def connection_made(self, transport: Any) -> None:
        """Start waiting for the first request."""
        super().connection_made(transport)
        self._await(HEAD_TIMEOUT_S)
        if len(self.connections) > MOST_CONNECTIONS:
            self.app = crowded

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._await(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request."""
        super().data_received(data)
        if self._head is not None and not self.transport.is_closing():
            self._head += len(data)
            if self._head > LARGEST_HEAD:
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """Wait for the rest of a head that has begun."""
        super().on_message_begin()
        if self._head is None:
            self._head = 0
            self._await(HEAD_TIMEOUT_S)

    def on_headers_complete(self) -> None:
        """Wait for the body, however soon the request is answered."""
        self._head = None
        self._await(BODY_TIMEOUT_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._await(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        crowded = len(self.connections) > MOST_CONNECTIONS // 2
        self.timeout_keep_alive = CROWDED_IDLE_TIMEOUT_S if crowded else IDLE_TIMEOUT_S
        super().on_response_complete()

    def pause_writing(self) -> None:
        """More is to be sent than the client reads."""
        super().pause_writing()
        self._unread = self.loop.call_later(READ_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads on."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def _await(self, seconds: float | None) -> None:
        if self._unsent is not None:
            self._unsent.cancel()
        self._unsent = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)


async def crowded(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a connection too many.

    Args:
        scope: As ASGI has it.
        receive: As ASGI has it.
        send: As ASGI has it.
    """
    problem = come_again("busy", f"more than {MOST_CONNECTIONS} connections are open; try again")
    problem.headers["Connection"] = "close"
    await problem.answer()(scope, receive, send)
