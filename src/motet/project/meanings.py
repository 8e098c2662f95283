"""The meaning of each setting, read from the docstring of its class or function."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

ENTRY = re.compile(r"^(\w+)(?: \(.*?\))?: *(.*)$")
SECTIONS = ("Args:", "Attributes:")
INDENT = 4


def meanings(target: Callable[..., Any]) -> dict[str, str]:
    """The arguments that a docstring explains.

    Args:
        target: A class or a function with a docstring in Google's style.

    Returns:
        Descriptions by argument, on one line each.

    Example:
        >>> meanings(meanings)
        {'target': "A class or a function with a docstring in Google's style."}
    """
    found: dict[str, str] = {}
    name = ""
    inside = False
    for line in inspect.cleandoc(target.__doc__ or "").splitlines():
        if line.strip() and not line.startswith(" "):
            inside = line.strip() in SECTIONS
            continue
        entry = ENTRY.match(line[INDENT:]) if inside and line[:INDENT].isspace() else None
        if entry:
            name = entry[1]
            found[name] = entry[2]
        elif inside and name and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def summary(target: Callable[..., Any]) -> str:
    """The first line of a docstring.

    Args:
        target: A class or a function.

    Returns:
        One line; empty if there is no docstring.
    """
    return inspect.cleandoc(target.__doc__ or "").partition("\n")[0]
