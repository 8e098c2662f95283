"""Tables: parsed TOML, read, changed setting by setting, and written."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tomlkit

from motet.errors import ConfigError

POINT = re.compile(r"(?<![\w.])\.(?=\d)")  # of .5, which is not TOML, but clear


def read_tables(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: The file.

    Returns:
        Its tables.

    Raises:
        ConfigError: If there is no such file, or it is not valid TOML; the message says where.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {path}; write one with: motet init EVENTS -o {path.name}") from error
    except (IsADirectoryError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path.name} is no project file, which is TOML text; write one with: motet init EVENTS"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}") from error


def as_toml(tables: Mapping[str, Any]) -> str:
    """Tables as the text of a TOML file.

    Args:
        tables: The tables; values that are None are left out.

    Returns:
        TOML.

    Example:
        >>> print(as_toml({"training": {"epochs": 3, "average": None}}), end="")
        [training]
        epochs = 3
    """
    return tomlkit.dumps(_known(tables))


def override(tables: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Change single settings, as `--set` does.

    Args:
        tables: Parsed TOML; not modified.
        changes: Each as `table.key=value`, the value in TOML (quotes around text may be omitted). Tasks count from 1:
            `tasks.1.dropout=.2`.

    Returns:
        The changed tables.

    Raises:
        ConfigError: If a change has another form, or its key leads into something that is not a table.
    """
    changed: dict[str, Any] = _copy(tables)
    for change in changes:
        path, found, text = change.partition("=")
        keys = [key.strip() for key in path.split(".")]
        if not found or not all(keys):
            raise ConfigError(f"{change!r} is not a setting; write TABLE.KEY=VALUE, as in training.epochs=3")
        put(changed, ".".join(keys), parsed(text))
    return changed


def with_settings(tables: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The same tables with other settings.

    Args:
        tables: Parsed TOML; not modified.
        values: By `table.key`; tasks count from 1. None removes a setting.

    Returns:
        The changed tables.

    Raises:
        ConfigError: If a key leads into something that is not a table.

    Example:
        >>> with_settings({"training": {"epochs": 3}}, {"training.epochs": 5, "weights.rating": 2.0})
        {'training': {'epochs': 5}, 'weights': {'rating': 2.0}}
    """
    changed: dict[str, Any] = _copy(tables)
    for key, value in values.items():
        put(changed, key, value)
    return changed


def put(tables: Any, key: str, value: Any, *, new: Callable[[int], Any] = lambda _: {}) -> None:
    """Set one value in place.

    A missing table is created; text that stands for a kind becomes a table of that kind.

    Args:
        tables: Nested tables and lists.
        key: As `table.key`; tasks count from 1.
        value: The value; None removes the key.
        new: Makes an empty table, given its depth.

    Raises:
        ConfigError: If the key leads into something that is not a table.
    """
    *path, last = _names(key)
    table = tables
    for depth, name in enumerate(path):
        table = _into(table, name, f"{key!r} goes into {'.'.join(path[: depth + 1])}", partial(new, depth))
    if not isinstance(table, dict):
        raise ConfigError(f"{key!r} names no key of {'.'.join(path)}; write TABLE.KEY=VALUE")
    if value is None:
        table.pop(last, None)
    else:
        table[last] = value


def _names(key: str) -> list[str]:
    """The parts of a key; below `weights` there is nothing but names of tasks, which may contain dots."""
    table, _, task = key.partition(".")
    return [table, task] if table == "weights" and task else key.split(".")


def _into(table: Any, key: str, told: str, new: Callable[[], Any]) -> Any:
    place: Any = key
    if isinstance(table, list):
        if not key.isdecimal() or not 1 <= int(key) <= len(table):
            raise ConfigError(f"{told}, which is none of {len(table)}; they count from 1")
        place = int(key) - 1
    elif key not in table:
        table[key] = new()
    inside = table[place]
    if isinstance(inside, str) and inside.isidentifier():
        table[place] = new()
        table[place]["kind"] = str(inside)
    elif not isinstance(inside, dict | list):
        raise ConfigError(f"{told}, which is {inside!r} and no table; set the whole of it")
    return table[place]


def parsed(text: str) -> Any:
    """Parse a value as typed on the command line.

    Args:
        text: TOML; a number may begin with its decimal point, and quotes around all of a text may be omitted.

    Returns:
        The value.

    Raises:
        ConfigError: If it is in curly braces and not TOML.

    Example:
        >>> parsed(".5"), parsed("[64, 32]"), parsed("AdamW")
        (0.5, [64, 32], 'AdamW')
    """
    text, why = text.strip(), None
    for written in (text, POINT.sub("0.", text)):
        try:
            return tomllib.loads(f"value = {written}")["value"]
        except tomllib.TOMLDecodeError as error:
            why = error
    if text.startswith("{"):
        raise ConfigError(
            f'{text!r} is not valid TOML: {why}; text in it needs quotes, as in {{kind = "Adam", lr = 0.1}}'
        ) from why
    return text


def _known(value: Any) -> Any:
    """TOML has no null."""
    if isinstance(value, Mapping):
        return {key: _known(each) for key, each in value.items() if each is not None}
    return [_known(each) for each in value] if isinstance(value, list) else value


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list) else value
