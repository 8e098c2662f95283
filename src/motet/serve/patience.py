"""Patience: how long a service waits for a client that is slow to ask or to read, and how many it hears at once."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from motet.serve.gate import come_again

HEAD_TIMEOUT_S = 10.0
LARGEST_HEAD = 1 << 16
READ_TIMEOUT_S = 30.0
MOST_CONNECTIONS = 900  # each needs a file descriptor, and 1,024 are what most systems give a process


class Patience(HttpToolsProtocol):
    """One connection of uvicorn, which of itself would wait for ever.

    The head of a request has to come whole within `HEAD_TIMEOUT_S`; where an answer is larger than what the system
    takes, the client has to read the rest within `READ_TIMEOUT_S`; else the connection ends. Beyond `MOST_CONNECTIONS`
    a request is answered 503. `Guard` sees to bodies.

    Args:
        *args: As uvicorn gives them.
        **kwargs: As uvicorn gives them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._size = 0

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > MOST_CONNECTIONS:
            self.app = crowded

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._end_head()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request."""
        super().data_received(data)
        if self._head is not None and not self.transport.is_closing():
            self._size += len(data)
            if self._size > LARGEST_HEAD:
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """Wait for the rest of a head that has begun."""
        super().on_message_begin()
        if self._head is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._end_head()
        super().on_headers_complete()

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

    def _await_head(self) -> None:
        self._size = 0
        self._head = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.abort)

    def _end_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


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
