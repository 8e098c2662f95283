"""Part: a table of a project file, checked against the signature of the class or function it stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import NoneType
from typing import Any, get_origin

import torch
from torch.nn import Parameter

from motet.arguments import members
from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.errors import ConfigError, MotetError, did_you_mean
from motet.project.settings import (
    Setting,
    arguments,
    choices,
    element,
    fits,
    kinds_of,
    settings,
    words,
)
from motet.towers import Tower, context_columns

NOTHING = "none"  # TOML has no null


class Part:
    """A class or function with the arguments from a file.

    Args:
        target: The class or function.
        given: Arguments by name; tables with a kind are parts.
        place: The file and the table, for error messages.
    """

    def __init__(self, target: Callable[..., Any], given: Mapping[str, Any], *, place: str) -> None:
        self.target = target
        self.given = dict(given)
        self.place = place

    @classmethod
    def of(cls, raw: Any, kinds: Mapping[str, Callable[..., Any]], place: str, *, beside: Sequence[str] = ()) -> Part:
        """Check a table.

        Args:
            raw: The table, or just the kind as text.
            kinds: The allowed classes and functions, by name. If there is only one, the kind may be omitted.
            place: The file and the table, for error messages.
            beside: Keys that the table may have besides the settings, read elsewhere; `raw` does not hold them.

        Returns:
            The part; nothing is built yet.

        Raises:
            ConfigError: If the kind or a setting is unknown, a setting is missing, or a value has the wrong type.
        """
        table = {"kind": raw} if isinstance(raw, str) else raw
        if not isinstance(table, dict):
            raise ConfigError(f"{place} is {raw!r}; it must be a table with a kind, one of {', '.join(kinds)}")
        kind = _kind(table, kinds, place)
        target = kinds[kind]
        known = settings(target)
        written = {name: value for name, value in table.items() if name != "kind" or name in known}
        for name in written:
            if name not in known:
                allowed = [*known, *beside]
                raise ConfigError(
                    f"{place}: {name!r} is not a setting of {kind}{did_you_mean(name, allowed)} "
                    f"Settings: {', '.join(allowed) or 'none'}."
                )
        for name, setting in known.items():
            if setting.required and name not in written:
                raise ConfigError(f"{place}: {kind} needs {name}. {setting.meaning}".rstrip())
        values = {name: _value(value, known[name], place, target) for name, value in written.items()}
        return cls(target, values, place=place)

    def make(self, *first: Any, log: EventLog | None = None, **more: Any) -> Any:
        """Call the target.

        Args:
            *first: Positional arguments, which a file does not give.
            log: The training log, passed to every argument of that type; its users and items likewise.
            **more: Further arguments, which a file does not give.

        Returns:
            What the target returns; for an optimizer, a function that makes it.

        Raises:
            MotetError: What the target raises, prefixed with the place of the table.
        """
        try:
            given = {name: _made(value, log) for name, value in self.given.items()}
            if isinstance(self.target, type) and issubclass(self.target, torch.optim.Optimizer):
                return _optimizer(self.target, given, self.place)
            if log is not None and _is_tower(self.target) and isinstance(given.get("context"), list):
                given["context"] = context_columns(log, given["context"])
            return self.target(*first, **{**self._supplied(first, log), **given, **more})
        except MotetError as error:
            told = str(error)
            raise type(error)(told if told.startswith(self.place) else f"{self.place}: {told}") from error

    def _supplied(self, first: Sequence[Any], log: EventLog | None) -> dict[str, Any]:
        """The log, its users and its items, for the arguments of these types."""
        if log is None:
            return {}
        supplied: dict[str, Any] = {}
        for name, (hint, _) in list(arguments(self.target).items())[len(first) :]:
            if EventLog in members(hint):
                supplied[name] = log
            elif Entities in members(hint):
                mirrored = name == "others" and any(each is log.items for each in first)  # those who had an item
                supplied[name] = log.users if name == "users" or mirrored else log.items
        return supplied


def _kind(table: Mapping[str, Any], kinds: Mapping[str, Callable[..., Any]], place: str) -> str:
    kind = table.get("kind")
    if len(kinds) == 1 and (kind is None or "kind" in settings(next(iter(kinds.values())))):
        return next(iter(kinds))
    listed = f"Kinds: {', '.join(kinds) or 'none'}."
    if kind is None:
        raise ConfigError(f"{place} has no kind. {listed}")
    if not isinstance(kind, str) or kind not in kinds:
        raise ConfigError(f"{place}: there is no kind {kind!r}{_choice(kind, kinds)} {listed}")
    return kind


def _choice(kind: object, kinds: Mapping[str, Callable[..., Any]]) -> str:
    """The end of a sentence: the kind that was meant, or the kind of which it is a setting, as `upgrad` is."""
    meant = did_you_mean(kind, kinds)
    plain = _plain(str(kind))
    for name, target in kinds.items() if meant == "." else ():
        for key, setting in settings(target).items():
            for choice in choices(setting.hint):
                if _plain(choice) == plain:
                    return f'; did you mean kind = "{name}", {key} = "{choice}"?'
    return meant


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _optimizer(
    target: type[torch.optim.Optimizer], given: Mapping[str, Any], place: str
) -> Callable[[Iterable[Parameter]], torch.optim.Optimizer]:
    """What makes an optimizer; torch checks its settings only when it gets the parameters."""

    def made(parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        try:
            return target(parameters, **given)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{place}: {target.__name__} refuses its settings: {error}") from error

    return made


def _is_tower(target: Callable[..., Any]) -> bool:
    return isinstance(target, type) and issubclass(target, Tower)


def _value(raw: Any, setting: Setting, place: str, target: Callable[..., Any]) -> Any:
    """The value of a setting; tables with a kind become parts."""
    if raw == NOTHING and NoneType in members(setting.hint):
        return None
    hint = setting.hint
    if setting.name == "context" and _is_tower(target) and fits(raw, list[str]):
        return list(raw)
    if fits(raw, hint):
        return tuple(raw) if isinstance(raw, list) and any(get_origin(each) is tuple for each in members(hint)) else raw
    kinds, inner = kinds_of(hint), element(hint)
    if kinds and isinstance(raw, dict | str):
        return Part.of(raw, kinds, f"{place}, {setting.name}")
    if inner is not None and isinstance(raw, list):
        named = [replace(setting, name=f"{setting.name} {row}", hint=inner) for row in range(1, len(raw) + 1)]
        return [_value(each, one, place, target) for each, one in zip(raw, named, strict=True)]
    if inner is not None and isinstance(raw, dict):
        keyed = {name: replace(setting, name=f"{setting.name}.{name}", hint=inner) for name in raw}
        return {name: _value(raw[name], one, place, target) for name, one in keyed.items()}
    raise _refusal(raw, setting, place)


def _refusal(raw: Any, setting: Setting, place: str) -> ConfigError:
    hint = did_you_mean(raw, choices(setting.hint)) if isinstance(raw, str) else "."
    nothing = f", or {NOTHING!r}" if setting.optional else ""
    return ConfigError(f"{place}: {setting.name} = {raw!r}; it must be {words(setting.hint)}{nothing}{hint}")


def _made(value: Any, log: EventLog | None) -> Any:
    if isinstance(value, Part):
        return value.make(log=log)
    if isinstance(value, list):
        return [_made(each, log) for each in value]
    return {name: _made(each, log) for name, each in value.items()} if isinstance(value, dict) else value
