"""Client and AsyncClient: a service as an object, with the same calls, plain and to be awaited."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self, TypeVar

from motet.client import calls
from motet.client.call import Call
from motet.client.connection import HERE, build, lost, read, settings
from motet.client.method import awaited, plain
from motet.client.patience import Patience
from motet.errors import ServiceError

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class Client:
    """A motet service: its calls are those of `motet.client.calls`, answered at once.

    Connections are kept and shared, also by threads. A call that changes nothing when it is repeated is sent again when
    the service is away or busy.

    Args:
        url: Of the service.
        token: Needed where the service is reached from elsewhere.
        timeout_s: Seconds until a try is given up, as many as the service gives itself.
        retries: How often a call may be sent again. Three wait .7 seconds at most, beside what the service asks for.
        connections: At most so many at once.
        transport: What requests go through in place of a socket, such as `httpx.MockTransport`.

    Raises:
        ConfigError: If httpx is missing, or the url is none.
        ServiceError: From every call, if the service refuses or does not answer.

    Example:
        >>> import httpx
        >>> answer = {"status": "ready", "events": "up", "model": "1f0c8a3be9d2"}
        >>> service = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
        >>> with Client("https://shop.example", token="correct-horse-battery", transport=service) as client:
        ...     client.ready().events
        'up'
    """

    def __init__(
        self,
        url: str = HERE,
        *,
        token: str | None = None,
        timeout_s: float = 10.0,
        retries: int = 3,
        connections: int = 100,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        arguments = settings(url, token, timeout_s, connections)
        import httpx

        self.url = url
        self.retries = retries
        self._http = httpx.Client(**arguments, transport=transport)
        self._lost = httpx.TransportError

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
        """Send a call, again where that helps.

        Args:
            call: What is asked.

        Returns:
            The answer.

        Raises:
            ServiceError: If the service refuses or does not answer.
        """
        patience = Patience(self.retries if call.repeatable else 0)
        while True:
            try:
                response = self._http.send(build(self._http.build_request, call))
                return read(call, response)
            except self._lost as error:
                wait = patience.wait(lost(error, self.url))
            except ServiceError as error:
                wait = patience.wait(error)
            time.sleep(wait)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient:
    """A motet service: its calls are those of `motet.client.calls`, to be awaited; otherwise as `Client`.

    Args:
        url: Of the service.
        token: Needed where the service is reached from elsewhere.
        timeout_s: Seconds until a try is given up, as many as the service gives itself.
        retries: How often a call may be sent again. Three wait .7 seconds at most, beside what the service asks for.
        connections: At most so many at once.
        transport: What requests go through in place of a socket, such as `httpx.ASGITransport`.

    Raises:
        ConfigError: If httpx is missing, or the url is none.
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

    def __init__(
        self,
        url: str = HERE,
        *,
        token: str | None = None,
        timeout_s: float = 10.0,
        retries: int = 3,
        connections: int = 100,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        arguments = settings(url, token, timeout_s, connections)
        import httpx

        self.url = url
        self.retries = retries
        self._http = httpx.AsyncClient(**arguments, transport=transport)
        self._lost = httpx.TransportError

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
        """Send a call, again where that helps.

        Args:
            call: What is asked.

        Returns:
            The answer.

        Raises:
            ServiceError: If the service refuses or does not answer.
        """
        patience = Patience(self.retries if call.repeatable else 0)
        while True:
            try:
                response = await self._http.send(build(self._http.build_request, call))
                return read(call, response)
            except self._lost as error:
                wait = patience.wait(lost(error, self.url))
            except ServiceError as error:
                wait = patience.wait(error)
            await asyncio.sleep(wait)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
