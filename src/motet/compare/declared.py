"""declared: the arguments of a comparison, a sweep or a tuning, from the project file and from the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from motet.errors import ConfigError
from motet.project import Project
from motet.project.part import Part


def declared(project: Project, function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a function of `motet.compare`, from the project's table of the same name and from the caller.

    Args:
        project: The project.
        function: `compare`, `sweep` or `tune`.
        given: The caller's arguments, which override those of the table.

    Returns:
        Arguments by name.

    Raises:
        ConfigError: If there is no such argument, or a value has the wrong type.
    """
    name = function.__name__
    told = {**getattr(project.document, name), **given}
    return Part.of(told, {name: function}, f"{project.name} [{name}]").given


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Parse the settings to try from a command line.

    Args:
        texts: Texts of the form `table.key=values`.

    Returns:
        Values by key, as text.

    Raises:
        ConfigError: If a text has another form.
    """
    found = {}
    for text in texts:
        key, sign, values = (part.strip() for part in text.partition("="))
        if not sign or not key:
            raise ConfigError(f"{text!r} does not say what to try; write TABLE.KEY=VALUES, as in training.epochs=5,10")
        found[key] = values
    return found
