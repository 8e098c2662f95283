"""Between calls and HTTP: a call becomes a request, a response becomes an answer or an error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from motet.client.answers import Refusal
from motet.client.call import Call
from motet.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
HERE = "http://127.0.0.1:8000"
MOST = 1_000_000  # seconds or connections; the system takes no infinite ones
UNREADABLE = (
    "{} {} in a form that this version of motet cannot read; check the address, and that client and service have the "
    "same version"
)
IDLE_TIMEOUT_S = 5.0  # far below the 75 s of the service: if it ends a connection, no request may be under way on it


def settings(url: str, token: str | None, timeout_s: float, connections: int) -> dict[str, Any]:
    """Arguments of an `httpx.Client` or an `httpx.AsyncClient`.

    Args:
        url: Address of the service.
        token: Bearer token, if any.
        timeout_s: Seconds to connect, to wait for a part of the answer, or for a free connection.
        connections: Connections that may be open at once.

    Returns:
        Keyword arguments.

    Raises:
        ConfigError: If httpx is missing, or an argument breaks a rule.
    """
    try:
        import httpx
    except ImportError as error:
        raise ConfigError("motet.Client needs httpx; install it: pip install 'motet[client]'") from error
    _check_url(url)
    if token is not None and not re.fullmatch("[!-~]+", token):
        raise ConfigError(
            "the token is empty, or has a space, a line break or a letter outside ASCII; strip what surrounds it"
        )
    for name, value, least in (("timeout_s", timeout_s, 0.001), ("connections", connections, 1)):
        if not least <= value <= MOST:
            raise ConfigError(f"{name} is {value}; it must be from {least} to {MOST:,}")
    headers = {"Content-Type": "application/json"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    limits = httpx.Limits(
        max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=IDLE_TIMEOUT_S
    )
    return {"base_url": url, "headers": headers, "timeout": timeout_s, "limits": limits}


def build(make: Callable[..., httpx.Request], call: Call[Any], timeout_s: float) -> httpx.Request:
    """Turn a call into a request.

    Args:
        make: `build_request` of an httpx client.
        call: What is asked.
        timeout_s: As in `settings`.

    Returns:
        The request.

    Raises:
        ConfigError: If an argument cannot be written as JSON.
    """
    import httpx

    timeout = httpx.Timeout(timeout_s, read=max(timeout_s, call.patience_s))
    try:
        body = None if call.body is None else json.dumps(call.body, default=_plain, allow_nan=False).encode()
        return make(call.method, call.path, content=body, params=call.query, timeout=timeout)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"the request cannot be written as JSON: {error}; give text, finite numbers and lists of them"
        ) from error


def read(call: Call[T], response: httpx.Response) -> T:
    """Read the answer from a response.

    Args:
        call: What was asked.
        response: What came back.

    Returns:
        The answer.

    Raises:
        ServiceError: If the service refused, or the response does not come from a motet service.
    """
    status, said = response.status_code, response.headers.get("Retry-After", "")
    wait = float(said) if re.fullmatch("[0-9]{1,9}", said) else None  # motet sends seconds, never a date
    try:
        if response.is_success:
            return call.read(response.content)
        error = Refusal.model_validate_json(response.content).error
    except ValueError as reason:
        message = UNREADABLE.format(response.request.url, f"answered {status}")
        raise ServiceError(message, code="not_motet", status=status, retry_after_s=wait) from reason
    raise ServiceError(error.message, code=error.code, status=status, field=error.field, retry_after_s=wait)


def lost(error: httpx.RequestError, url: str) -> ServiceError:
    """Describe a request that got no response, or one that httpx cannot unpack.

    Args:
        error: The error of httpx.
        url: Of the service.

    Returns:
        The error.
    """
    import httpx

    if isinstance(error, httpx.DecodingError):
        return ServiceError(UNREADABLE.format(error.request.url, "answered"), code="not_motet")
    if isinstance(error, httpx.TimeoutException):
        return ServiceError(f"{url} did not answer in time; allow more with timeout_s=", code="timeout")
    why = str(error) or type(error).__name__
    return ServiceError(f"{url} cannot be reached: {why}; is a service running there?", code="unreachable")


def _check_url(url: str) -> None:
    import httpx

    try:
        if httpx.URL(url).scheme in ("http", "https") and httpx.URL(url).host:
            return
        reason = ""
    except httpx.InvalidURL as error:
        reason = f" ({error})"
    raise ConfigError(f"url {url!r} is not the address of a service{reason}; write one such as {HERE}")


def _plain(value: Any) -> Any:
    """Arrays and series, such as ids taken from a table or a model, as plain lists and numbers."""
    for name in ("tolist", "to_list"):
        if hasattr(value, name):
            return getattr(value, name)()
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"{type(value).__name__!r} has no form in JSON")
