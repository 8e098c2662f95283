"""TimeoutProtocol: an HTTP connection with timeouts for slow clients, and a limit on the number of connections."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from motet.serve.gate import come_again
from motet.serve.http.guard import REFUSAL
from motet.serve.log import log_event
from motet.serve.problem import Problem

HEAD_TIMEOUT_S = 10.0
BODY_TIMEOUT_S = 15.0  # longer than that of the guard, which answers with an error
LARGEST_HEAD = 1 << 16
READ_TIMEOUT_S = 30.0
IDLE_TIMEOUT_S = 75  # longer than clients and proxies commonly keep a connection (60 s), so that they close it first
CROWDED_IDLE_TIMEOUT_S = 5
MOST_CONNECTIONS = 900  # each needs a file descriptor, and most systems allow a process 1,024


class TimeoutProtocol(HttpToolsProtocol):
    """A connection of uvicorn with timeouts; by itself uvicorn would wait for ever.

    The whole head of a request must arrive within `HEAD_TIMEOUT_S`, and its body within `BODY_TIMEOUT_S`, even if the
    request was answered early, as `Guard` does for a large or late body. If an answer does not fit into the system's
    buffers, the client must read the rest within `READ_TIMEOUT_S`. Otherwise the connection is closed. If more than
    `MOST_CONNECTIONS` are open, `Guard` answers requests on a new one with 503.

    An idle connection is closed after `IDLE_TIMEOUT_S`, or after `CROWDED_IDLE_TIMEOUT_S` while more than half of
    `MOST_CONNECTIONS` are open. A request that the client sends at that very moment is lost.

    Args:
        *args: Arguments of uvicorn.
        **kwargs: Arguments of uvicorn.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unsent: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._head: int | None = 0  # bytes of the head so far; None once it is complete

    def connection_made(self, transport: Any) -> None:
        """Start waiting for the first request."""
        super().connection_made(transport)
        self._await(HEAD_TIMEOUT_S)
        if len(self.connections) > MOST_CONNECTIONS:
            refusal = come_again("busy", f"more than {MOST_CONNECTIONS} connections are open; try again")
            refusal.headers["Connection"] = "close"
            self.app_state = {**self.app_state, REFUSAL: refusal}  # each request has a copy, which the guard reads

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel all timeouts."""
        self._await(None)
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request, or bytes that begin none: an empty line, the body of an answered request."""
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._head is not None:
            self._head += len(data)
            if self._head > LARGEST_HEAD:
                self.send_400_response("The head of the request is too large.")
        elif self._unsent is None and self.cycle.response_complete:  # idle still, and uvicorn has stopped the clock
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, in the form of every error, and close the connection."""
        log_event("refused", status=400, reason=msg)
        body = bytes(Problem(400, msg).answer().body)
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % len(body)
        self.transport.write(head + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def on_message_begin(self) -> None:
        """Wait for the rest of the head."""
        super().on_message_begin()
        if self._head is None:
            self._head = 0
            self._await(HEAD_TIMEOUT_S)

    def on_headers_complete(self) -> None:
        """Wait for the body, even if the request is answered before it arrives."""
        self._head = None
        self._await(BODY_TIMEOUT_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop waiting: the request is complete."""
        self._await(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        crowded = len(self.connections) > MOST_CONNECTIONS // 2
        self.timeout_keep_alive = CROWDED_IDLE_TIMEOUT_S if crowded else IDLE_TIMEOUT_S
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Wait for the client to read: the buffers are full."""
        super().pause_writing()
        self._unread = self.loop.call_later(READ_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting: the client reads again."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def _await(self, seconds: float | None) -> None:
        if self._unsent is not None:
            self._unsent.cancel()
        self._unsent = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
