"""Settings: the arguments of a class or function that a project file may give, taken from its signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from types import GenericAlias, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from motet.arguments import LISTS, TABLES, WORDS, members
from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.project.kinds import offered
from motet.project.meanings import meanings

CALLERS = ("params", "progress")  # arguments for the caller to give, although TOML could hold them


@dataclass(frozen=True)
class Setting:
    """One argument of a class or a function.

    Attributes:
        name: Its name.
        hint: Its type.
        default: Its default; `inspect.Parameter.empty` if it is required.
        meaning: Its description in the docstring.
    """

    name: str
    hint: Any
    default: Any
    meaning: str

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty

    @property
    def optional(self) -> bool:
        """Whether it may be None, although its default is not."""
        return NoneType in members(self.hint) and self.default is not None


@cache
def settings(target: Callable[..., Any]) -> Mapping[str, Setting]:
    """The arguments of a class or function that a file may give.

    Args:
        target: The class or function.

    Returns:
        By name, in the order of the signature; without those that TOML cannot hold, such as tensors and functions.
    """
    told = meanings(target)
    return {
        name: Setting(name, hint, default, told.get(name, ""))
        for name, (hint, default) in arguments(target).items()
        if name not in CALLERS and _writable(hint)
    }


@cache
def arguments(target: Callable[..., Any]) -> Mapping[str, tuple[Any, Any]]:
    """All arguments of a class or a function.

    Args:
        target: The class or function.

    Returns:
        Type and default by name.
    """
    function = target.__init__ if isinstance(target, type) and not is_dataclass(target) else target  # type: ignore[misc]
    hints = get_type_hints(function)
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = inspect.signature(target).parameters.values()
    return {each.name: (hints.get(each.name, Any), each.default) for each in named if each.kind not in starred}


def element(hint: Any) -> Any:
    """The element type of a list or table of parts.

    Args:
        hint: A type.

    Returns:
        The type of its values if these are parts with a kind of their own, else None.
    """
    for each in members(hint):
        if get_origin(each) in (*LISTS, *TABLES) and kinds_of(get_args(each)[-1]):
            return get_args(each)[-1]
        if get_origin(each) is tuple and kinds_of(get_args(each)[0]):
            return get_args(each)[0]
    return None


def kinds_of(hint: Any) -> dict[str, Callable[..., Any]]:
    """The parts a setting can be.

    Args:
        hint: Its type.

    Returns:
        Classes by name; none if the setting is not a part.
    """
    return {name: kind for each in members(hint) if isinstance(each, type) for name, kind in offered(each).items()}


def plain(hint: Any) -> Any:
    """The part of a type that TOML can hold, apart from parts with a kind.

    Args:
        hint: A type.

    Returns:
        A type of text, numbers, lists and tables; None if nothing is left.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any or hint in WORDS or origin is Literal:
        return hint
    if hint is Path:
        return str
    if origin in (Union, UnionType):
        return _either([plain(each) for each in inner])
    if origin in LISTS:
        value = _either([plain(each) for each in inner if each is not Ellipsis])
        return None if value is None else GenericAlias(list, (value,))
    if origin in TABLES:
        value = plain(inner[1])
        return None if value is None else GenericAlias(dict, (str, value))
    return None


def fits(value: Any, hint: Any) -> bool:
    """Whether a value has a type, without converting between numbers and text.

    Args:
        value: Parsed TOML.
        hint: The type of the setting.

    Returns:
        True if it does.
    """
    expected = plain(hint)
    if expected is None:
        return False
    try:
        TypeAdapter(expected).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def words(hint: Any) -> str:
    """What a setting takes, in words.

    Args:
        hint: Its type.

    Returns:
        Such as "a whole number or a list of texts".
    """
    kinds = kinds_of(hint)
    told = [_words(each) for each in members(hint) if each is not NoneType]
    parts = [f"a table of kind {' or '.join(kinds)}"] if kinds else []
    return " or ".join(dict.fromkeys([part for part in told if part] + parts))


def choices(hint: Any) -> list[str]:
    """The values of a setting that takes one of several texts.

    Args:
        hint: Its type.

    Returns:
        Texts; none if it takes any text, or no text.
    """
    return [str(value) for each in members(hint) if get_origin(each) is Literal for value in get_args(each)]


def _words(hint: Any, place: int = 0) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if hint in WORDS:
        return WORDS[hint][place]
    if hint is Path:
        return "a path"
    if origin is Literal:
        return f"one of {', '.join(map(repr, inner))}"
    if origin in LISTS and place:
        return "lists of these"
    if origin in LISTS:
        return _held("list", [part for each in inner for part in members(each)])
    return _held("table", members(inner[1])) if origin in TABLES else ""


def _held(what: str, hints: Sequence[Any]) -> str:
    """The contents of a list or a table: plain values, or parts."""
    values = [_words(each, 1) for each in hints if each is not Ellipsis]
    kinds = [name for each in hints for name in kinds_of(each)]
    told = dict.fromkeys([value for value in values if value] + kinds)
    return f"a {what} of {' or '.join(told)}" if told else ""


def _either(hints: list[Any]) -> Any:
    left = tuple(hint for hint in hints if hint is not None)
    return Union[left] if left else None  # noqa: UP007


def _writable(hint: Any) -> bool:
    if any(each in members(hint) for each in (Entities, EventLog)):
        return False  # taken from the training log
    return plain(hint) is not None or bool(kinds_of(hint)) or element(hint) is not None
