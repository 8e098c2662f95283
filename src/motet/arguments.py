"""Numbers, text and lists of them, checked against the types in a signature before a function or a constructor runs."""

from __future__ import annotations

import functools
import inspect
from collections import abc
from collections.abc import Callable, Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from motet.errors import LONGEST, ConfigError

LISTS = (abc.Sequence, abc.Iterable, abc.Collection, list, tuple)
TABLES = (abc.Mapping, abc.MutableMapping, dict)
WORDS: Mapping[Any, tuple[str, str]] = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("text", "texts"),
    bool: ("true or false", "true or false"),
}
MAKERS = "makers"  # attribute of a function with what `made_by` says
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

Target = TypeVar("Target", bound=Callable[..., Any])


class Checked:
    """A class whose constructor, and that of every class derived from it, is `checked`."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            checked(cls)


def checked(target: Target) -> Target:
    """Refuse numbers, text and lists or tables of them that do not have the type in the signature.

    Other arguments, such as parts and tensors, are left to the function: see `errors.check_types`.

    Args:
        target: A function, or a class whose constructor is to be checked.

    Returns:
        The function, with the check in front; or the class.

    Raises:
        ConfigError: On a call, if an argument has another type.

    Example:
        >>> from motet.tasks import Rating
        >>> Rating(hidden=64)
        Traceback (most recent call last):
        motet.errors.ConfigError: hidden=64; it must be a list of whole numbers; write hidden=(64,)
    """
    if isinstance(target, type):
        target.__init__ = checked(target.__init__)  # type: ignore[misc]  # the class's own
        return target
    names = list(inspect.signature(target).parameters)

    @functools.wraps(target)
    def call(*arguments: Any, **named: Any) -> Any:
        hints = _plain_arguments(target)
        for name, value in [*zip(names, arguments, strict=False), *named.items()]:
            if name in hints and not _fits(value, hints[name]):
                makers: Mapping[str, str] = getattr(target, MAKERS, {})
                raise ConfigError(_refusal(name, value, hints[name], makers.get(name)))
        return target(*arguments, **named)

    return call  # type: ignore[return-value]  # with the signature of the target


def made_by(**makers: str) -> Callable[[Target], Target]:
    """Name the call that makes an argument, for the error of `checked`: it cannot be guessed from the type.

    Args:
        **makers: By argument, the call.

    Returns:
        A decorator of the function.
    """

    def named(function: Target) -> Target:
        setattr(function, MAKERS, makers)
        return function

    return named


def members(hint: Any) -> tuple[Any, ...]:
    """The members of a union.

    Args:
        hint: A type, or a union of types.

    Returns:
        One or more types.
    """
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


@functools.cache
def _plain_arguments(function: Callable[..., Any]) -> dict[str, tuple[Any, ...]]:
    """The types of the arguments that are numbers, text, or lists or tables of them."""
    with suppress(Exception):  # a hint for the type checker alone, which cannot be evaluated: it may raise anything
        hints = get_type_hints(function)
        named = [each.name for each in inspect.signature(function).parameters.values() if each.kind in NAMED]
        return {name: members(hints[name]) for name in named if name in hints and _plain(hints[name])}
    return {}


def _plain(hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return all(map(_plain, inner))
    if origin in (*LISTS, *TABLES):
        return _plain(inner[-1] if origin in TABLES else inner[0])
    return hint in (*WORDS, Path, NoneType) or origin is Literal


def _fits(value: Any, kinds: tuple[Any, ...]) -> bool:
    return type(value) in kinds or any(_is(value, each) for each in kinds)  # the first is quick, and mostly true


def _is(value: Any, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in LISTS:
        listed = isinstance(value, abc.Iterable) and not isinstance(value, str | bytes)
        return listed and (not isinstance(value, list | tuple) or all(_fits(each, members(inner[0])) for each in value))
    if origin in TABLES:
        return isinstance(value, Mapping) and all(_fits(each, members(inner[1])) for each in value.values())
    if origin is Literal:  # which of them, the function itself checks
        return isinstance(value, tuple(map(type, inner)))
    if kind in (int, float):  # those of NumPy too, and tensors of one number
        return hasattr(value, "__index__" if kind is int else "__float__") and not isinstance(value, bool)
    return isinstance(value, PathLike if kind is Path else kind)


def _refusal(name: str, value: object, allowed: tuple[Any, ...], maker: str | None) -> str:
    kinds = [each for each in allowed if each is not NoneType and not (each is int and float in allowed)]
    told = dict.fromkeys([_words(each) for each in kinds] + (["None"] if NoneType in allowed else []))
    known = isinstance(value, str | int | float | list | tuple | dict | None)
    shown = repr(value)[:LONGEST] if known else f"{type(value).__name__}(...)"
    meant = next((each for kind in kinds for each in _meant(value, kind)), None)
    written = maker if maker is not None or meant is None else repr(meant)
    fix = "" if written is None else f"; write {name}={written}"
    return f"{name}={shown}; it must be {' or '.join(told)}{fix}"


def _meant(value: Any, kind: Any) -> list[Any]:
    """What the caller probably meant: the number that a text spells, the one value of a list."""
    if get_origin(kind) in LISTS:
        return [(value,)] if _fits(value, members(get_args(kind)[0])) else []
    with suppress(ValueError, OverflowError):
        number = float(value) if isinstance(value, str | float) else 0.5
        if kind is int and number.is_integer():
            return [int(number)]
        if kind is float and isinstance(value, str):
            return [number]
    return []


def _words(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (*LISTS, *TABLES):
        held = dict.fromkeys(_several(each) for each in members(inner[-1] if origin in TABLES else inner[0]))
        return f"a {'mapping' if origin in TABLES else 'list'} of {' or '.join(held)}"
    return "a path" if kind is Path else WORDS[type(inner[0]) if origin is Literal else kind][0]


def _several(kind: Any) -> str:
    return WORDS[type(get_args(kind)[0])][1] if get_origin(kind) is Literal else WORDS.get(kind, ("", "lists"))[1]
