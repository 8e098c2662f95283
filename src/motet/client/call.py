"""Call: one request as data, before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """What to ask, and how to read the answer.

    Attributes:
        method: HTTP method.
        path: Path of the route.
        read: Turns the body of a response into the answer.
        body: Sent as JSON; None sends no body.
        query: Query parameters.
        repeatable: Whether running the call twice has the same effect as running it once, so that it may be retried.
        patience_s: Seconds that the answer may take where the client allows fewer.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    repeatable: bool = True
    patience_s: float = 0.0


def given(**fields: Any) -> dict[str, Any]:
    """The arguments that were given.

    Args:
        **fields: Values by name; None where an argument was not given.

    Returns:
        Those that are not None.

    Example:
        >>> given(user=3, by=None, history=())
        {'user': 3, 'history': ()}
    """
    return {name: value for name, value in fields.items() if value is not None}
