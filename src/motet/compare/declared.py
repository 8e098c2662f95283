"""declared: the arguments of a comparison, a sweep or a tuning, from the project file and from the caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
