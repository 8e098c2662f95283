"""init: write a first project file for an event log."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from motet.data.table import Table
from motet.project.guess import guess
from motet.project.rewrite import check_new
from motet.project.suggest import suggest
from motet.project.write import write


def init(
    events: Path, output: Path, *, tables: Mapping[str, Path], known: Mapping[str, str], explain: bool = False
) -> str:
    """Inspect a log, and declare a first model for it.

    Args:
        events: The log.
        output: Path of the project file; the paths in it are relative to its folder.
        tables: Files of users and items, if there are any, by `"user"`, `"item"`.
        known: Id columns that the caller named, by `"user"`, `"item"`.
        explain: Whether settings that are not given are listed too, commented out.

    Returns:
        A commented project file.

    Raises:
        ConfigError: If there is a file already, its folder is missing, or no column looks like ids.
        DataError: If a table cannot be read.
    """
    check_new(output)
    log = Table.open(events, "the log", codes=None)
    opened = {side: Table.open(path, f"the table of {side}s", codes=None) for side, path in tables.items()}
    found = guess(log, opened, known)
    paths = {"events": events, **{f"{side}s": path for side, path in tables.items()}}
    data = {name: Path(os.path.relpath(path, output.parent)).as_posix() for name, path in paths.items()}
    return write(suggest(found, log, data), found, explain=explain)
