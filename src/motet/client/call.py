"""Call: one request, described before anybody sends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """What is asked, and how its answer is read.

    Attributes:
        method: Of HTTP.
        path: Of the route.
        read: Makes the answer of the body of a response.
        body: Sent as JSON; None sends nothing.
        query: Parameters of the address.
        repeatable: Whether asking twice is as good as asking once, so that a request without an answer is sent again.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    repeatable: bool = True


def given(**fields: Any) -> dict[str, Any]:
    """What a caller said.

    Args:
        **fields: None where nothing was said.

    Returns:
        The others.

    Example:
        >>> given(user=3, by=None, history=())
        {'user': 3, 'history': ()}
    """
    return {name: value for name, value in fields.items() if value is not None}
