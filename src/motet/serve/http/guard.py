"""Guard: middleware around every route: limits, security headers, metrics and the request log."""

from __future__ import annotations

import asyncio
import re
import time
import traceback
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from motet.serve.gate import Gate
from motet.serve.log import log_event
from motet.serve.metrics import Metrics
from motet.serve.problem import Problem
from motet.serve.tokens import Tokens, is_loopback

LARGEST_BODY = 1 << 20
BODY_TIMEOUT_S = 10.0
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
ROUTES = "/v1/"  # all others take no body
ENCODED = [(name.encode(), text.encode()) for name, text in HEADERS.items()]
WORK = ("/v1/recommend", "/v1/score", "/v1/similar", "/v1/events")
REFUSAL = "motet.refusal"  # key of a scope's state: the `Problem` of a connection whose requests are all refused
PORT = re.compile(r":\d+$")


class Guard:
    """Middleware that wraps an application.

    Args:
        app: The application.
        metrics: Metrics of requests.
        gate: Limits concurrent work. While it is full, requests for work are refused before their body is read.
        tokens: Without a valid one no body is read: a stranger could fill the memory. If None, requests need no token;
            then only those addressed to localhost are answered, and cross-origin requests of a browser are refused.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, gate: Gate, tokens: Tokens | None) -> None:
        self.app = app
        self.metrics = metrics
        self.gate = gate
        self.tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Args:
            scope: The ASGI scope.
            receive: The ASGI receive function.
            send: The ASGI send function.
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        # HEAD asks for the headers of a GET.
        asked = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_headers(message["headers"])
            elif scope["method"] == "HEAD":
                message["body"] = b""
            await send(message)

        with self.metrics.inside.track_inprogress():
            try:
                await self.app(asked, await self._body(scope, receive), sending)
            except Problem as problem:
                await problem.answer()(scope, receive, sending)
            except Exception as error:  # logged without its message, which may contain ids
                frames = traceback.extract_tb(error.__traceback__)
                where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
                log_event("error", kind=type(error).__name__, where=where)
        self._count(asked, scope["method"], status, time.perf_counter() - began)

    async def _body(self, scope: Scope, receive: Receive) -> Receive:
        """Check the request and read its whole body before the application runs."""
        if refusal := scope.get("state", {}).get(REFUSAL):
            raise refusal
        headers = dict(scope["headers"])
        if self.tokens is None:
            _check_source(headers)
        elif scope["path"].startswith(ROUTES) and not self.tokens.scopes(_bearer(headers)):
            raise no_token()
        if scope["path"] in WORK:
            self.gate.check()
        if _announced(headers) > LARGEST_BODY:
            raise _too_large()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _read(receive) if scope["path"].startswith(ROUTES) else b""
        except TimeoutError:
            raise Problem(408, f"the body was not received within {BODY_TIMEOUT_S:g} s", code="timeout") from None
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return again

    def _count(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", scope["path"] if scope["path"] in WORK else "other")
        method = method if method in ("GET", "POST", "HEAD") else "other"
        self.metrics.requests.labels(route, method, status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        log_event("request", method=method, route=route, status=status, ms=round(1000 * seconds, 2))


def no_token() -> Problem:
    """The refusal of a request without a valid token.

    Returns:
        A 401.
    """
    message = "a token is needed: send the header 'Authorization: Bearer TOKEN'"
    return Problem(401, message, code="no_token", headers={"WWW-Authenticate": "Bearer"})


def _check_source(headers: Mapping[bytes, bytes]) -> None:
    """Refuse requests to another host name (DNS rebinding), and those from pages of another origin."""
    host = headers.get(b"host", b"").decode("latin-1")
    if not is_loopback(PORT.sub("", host).removeprefix("[").removesuffix("]")):
        raise Problem(403, "without tokens, only requests to localhost are answered", code="wrong_host")
    origin = headers.get(b"origin", b"").decode("latin-1")
    if origin and origin.partition("://")[2] != host:
        message = "a page of another site sent this request; without tokens, such requests are refused"
        raise Problem(403, message, code="wrong_origin")


def _bearer(headers: Mapping[bytes, bytes]) -> str:
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _announced(headers: Mapping[bytes, bytes]) -> int:
    """Size of the body according to the header, which may be any number of digits, more than `int` takes."""
    digits = headers.get(b"content-length", b"").lstrip(b"0")
    return int(digits[:20]) if digits.isdigit() else 0


async def _read(receive: Receive) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "the connection ended before the whole body had come; send the request again")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            raise _too_large()
        more = message.get("more_body", False)
    return b"".join(parts)


def _too_large() -> Problem:
    return Problem(413, f"the body has more than {LARGEST_BODY:,} bytes; send less at a time")


def _with_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Add the default headers that the response does not set itself."""
    own = {name.lower() for name, _ in headers}
    return [*headers, *(header for header in ENCODED if header[0] not in own)]
