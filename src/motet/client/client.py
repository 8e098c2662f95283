"""Client and AsyncClient: a service as an object, with the same calls for threads and for asyncio."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from motet.client import calls
from motet.client.base import ServiceClient
from motet.client.call import Call
from motet.client.connection import build, read
from motet.client.method import awaited, plain

if TYPE_CHECKING:
    import httpx  # noqa: F401  # ruff does not read the strings in the bases below

T = TypeVar("T")


class Client(ServiceClient["httpx.BaseTransport"]):
    """A motet service whose calls return their answers; threads may share one. Arguments: see `ServiceClient`.

    Raises:
        ServiceError: From every call, if the service refuses or does not answer.

    Example:
        >>> import httpx
        >>> answer = {"status": "ready", "events": "up", "model": "1f0c8a3be9d2"}
        >>> service = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
        >>> with Client("https://shop.example", token="correct-horse-battery", transport=service) as client:
        ...     client.ready().events
        'up'
    """

    recommend = plain(calls.recommend)
    score = plain(calls.score)
    similar = plain(calls.similar)
    add = plain(calls.add)
    items = plain(calls.items)
    users = plain(calls.users)
    history = plain(calls.history)
    map = plain(calls.map)
    model = plain(calls.model)
    serve = plain(calls.serve)
    roll_back = plain(calls.roll_back)
    report = plain(calls.report)
    ready = plain(calls.ready)

    def ask(self, call: Call[T]) -> T:
        """Send a call, and send it again where `Retry` says so.

        Args:
            call: What is asked.

        Returns:
            The answer.

        Raises:
            ServiceError: If the service refuses or does not answer.
        """
        request, retry = build(self._http.build_request, call, self.timeout_s), self._retry(call)
        while True:
            try:
                return read(call, self._http.send(request))
            except self._failures as failure:
                wait = retry.wait(self._as_service_error(failure))
            time.sleep(wait)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _open(self, **arguments: Any) -> None:
        import httpx

        self._http = httpx.Client(**arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(ServiceClient["httpx.AsyncBaseTransport"]):
    """A motet service whose calls are awaited. Arguments: see `ServiceClient`.

    Raises:
        ServiceError: From every call, if the service refuses or does not answer.

    Example:
        >>> import asyncio, httpx
        >>> answer = {"status": "ready", "events": "up", "model": "1f0c8a3be9d2"}
        >>> service = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
        >>> async def ask() -> str:
        ...     async with AsyncClient("https://shop.example", transport=service) as client:
        ...         return (await client.ready()).events
        >>> asyncio.run(ask())
        'up'
    """

    recommend = awaited(calls.recommend)
    score = awaited(calls.score)
    similar = awaited(calls.similar)
    add = awaited(calls.add)
    items = awaited(calls.items)
    users = awaited(calls.users)
    history = awaited(calls.history)
    map = awaited(calls.map)
    model = awaited(calls.model)
    serve = awaited(calls.serve)
    roll_back = awaited(calls.roll_back)
    report = awaited(calls.report)
    ready = awaited(calls.ready)

    async def ask(self, call: Call[T]) -> T:
        """Send a call, and send it again where `Retry` says so.

        Args:
            call: What is asked.

        Returns:
            The answer.

        Raises:
            ServiceError: If the service refuses or does not answer.
        """
        request, retry = build(self._http.build_request, call, self.timeout_s), self._retry(call)
        while True:
            try:
                return read(call, await self._http.send(request))
            except self._failures as failure:
                wait = retry.wait(self._as_service_error(failure))
            await asyncio.sleep(wait)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _open(self, **arguments: Any) -> None:
        import httpx

        self._http = httpx.AsyncClient(**arguments)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
