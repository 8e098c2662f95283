"""ServiceClient: what `Client` and `AsyncClient` share: their settings, and a call as a request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from motet.client.call import Call
from motet.client.connection import HERE, lost, settings
from motet.client.retry import Retry
from motet.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    import httpx

Transport = TypeVar("Transport")


class ServiceClient(ABC, Generic[Transport]):
    """A motet service as an object: each call of `motet.client.calls` is a method.

    Connections are kept open and shared, so make one client and use it everywhere. A call that may safely run twice is
    sent again when the service cannot be reached or is busy.

    Args:
        url: Address of the service.
        token: Sent with every request; needed unless the service runs on this machine without tokens.
        timeout_s: Seconds until one attempt is given up; the service itself gives up a request after as many. `serve`
            and `roll_back` wait for models to load, and may take ten minutes.
        retries: How often a call may be sent again. Three wait at most .7 s beyond what `Retry-After` asks.
        connections: Connections that may be open at once.
        transport: Takes the place of a socket, such as `httpx.MockTransport` in a test.

    Raises:
        ConfigError: If httpx is not installed, or an argument breaks a rule.
    """

    def __init__(
        self,
        url: str = HERE,
        *,
        token: str | None = None,
        timeout_s: float = 10.0,
        retries: int = 3,
        connections: int = 100,
        transport: Transport | None = None,
    ) -> None:
        arguments = settings(url, token, timeout_s, connections)
        if retries < 0:
            raise ConfigError(f"retries is {retries}; it must be at least 0, which never tries again")
        import httpx

        self.url = url
        self.timeout_s = timeout_s
        self.retries = retries
        self._failures = (ServiceError, httpx.RequestError)
        self._open(transport=transport, **arguments)

    @abstractmethod
    def _open(self, **arguments: Any) -> None:
        """Make the httpx client."""

    def _retry(self, call: Call[Any]) -> Retry:
        return Retry(self.retries if call.repeatable else 0)

    def _as_service_error(self, failure: ServiceError | httpx.RequestError) -> ServiceError:
        return failure if isinstance(failure, ServiceError) else lost(failure, self.url)
