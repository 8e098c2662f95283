"""declared: what a table of the project file says of a sweep or a tuning, under what the caller says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from motet.errors import ConfigError
from motet.project import Project
from motet.project.part import Part


def declared(project: Project, function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a function of `motet.compare`, as a project's table of the same name has them.

    Args:
        project: Whose tables.
        function: `sweep` or `tune`.
        given: What the caller says, which goes before the table.

    Returns:
        Arguments by name.

    Raises:
        ConfigError: If the table names what is no argument, or gives a value of the wrong type.
    """
    name = function.__name__
    part = Part.of(getattr(project.document, name), {name: function}, f"{project.name} [{name}]")
    return {**part.given, **given}


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """What is typed of settings to try.

    Args:
        texts: Each as `table.key=values`.

    Returns:
        Values by key, as typed.

    Raises:
        ConfigError: If a text has another form.
    """
    found = {}
    for text in texts:
        key, sign, values = (part.strip() for part in text.partition("="))
        if not sign or not key:
            raise ConfigError(f"{text!r} says not what to try; write TABLE.KEY=VALUES, as in training.epochs=5,10")
        found[key] = values
    return found
