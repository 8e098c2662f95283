"""Turns a function that describes a call into a method that sends it, with the same signature, docstring and types."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, runtime_checkable

from motet.client.call import Call

P = ParamSpec("P")
T = TypeVar("T")


@runtime_checkable
class Asks(Protocol):
    """Sends a call and waits for its answer."""

    def ask(self, call: Call[T]) -> T:
        """Send a call.

        Args:
            call: What is asked.

        Returns:
            Its answer.
        """


@runtime_checkable
class AsksLater(Protocol):
    """Sends a call and awaits its answer."""

    async def ask(self, call: Call[T]) -> T:
        """Send a call.

        Args:
            call: What is asked.

        Returns:
            Its answer.
        """


def plain(describe: Callable[P, Call[T]]) -> Callable[Concatenate[Asks, P], T]:
    """A method that sends a call and returns its answer.

    Args:
        describe: Function that returns the call.

    Returns:
        The method.
    """

    def method(self: Asks, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.ask(describe(*args, **kwargs))

    _name(method, describe)
    return method


def awaited(describe: Callable[P, Call[T]]) -> Callable[Concatenate[AsksLater, P], Coroutine[Any, Any, T]]:
    """A coroutine method that sends a call and returns its answer.

    Args:
        describe: Function that returns the call.

    Returns:
        The method.
    """

    async def method(self: AsksLater, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.ask(describe(*args, **kwargs))

    _name(method, describe)
    return method


def _name(method: Any, describe: Callable[..., Any]) -> None:
    """Make `help` show the call's docstring, and its arguments after `self`."""
    method.__name__ = method.__qualname__ = describe.__name__
    method.__doc__ = describe.__doc__
    signature = inspect.signature(describe)
    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__signature__ = signature.replace(parameters=[self, *signature.parameters.values()])
