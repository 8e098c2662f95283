"""rewrite: change settings in a project file and keep its comments."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import InlineTable, Table

from motet.errors import ArtifactError, ConfigError
from motet.project.tables import put
from motet.whole_file import whole_file

SUFFIX = ".toml"  # of a project file


def check_new(output: Path) -> None:
    """Check that a project file can be written without replacing another, before the work that produces it.

    Args:
        output: The file.

    Raises:
        ConfigError: If it does not end in .toml, it exists already, or its folder does not.
    """
    if output.suffix != SUFFIX:
        raise ConfigError(
            f"{output} does not end in {SUFFIX}, by which motet train tells a project file from a log; give a name "
            f"that does, as in -o motet{SUFFIX}"
        )
    if output.exists():
        raise ConfigError(f"there is a file {output} already; give another name with -o, or remove it")
    if not output.parent.is_dir():
        raise ConfigError(f"there is no folder {output.parent} to write {output.name} into; make it first")


def rewrite(path: Path, values: Mapping[str, Any], *, output: Path | None = None, notes: Sequence[str] = ()) -> None:
    r"""Change settings in a project file; its comments and its order stay.

    The file is replaced whole or not at all: after a full disk or a kill the old one is intact.

    Args:
        path: The file.
        values: By `table.key`, as in `training.epochs`; tasks count from 1. None removes a setting.
        output: Another file to write, with the data paths adjusted to its folder. By default the same file.
        notes: Comments for the head of the file, one line each.

    Raises:
        ConfigError: If the file is not TOML or does not exist, or a key leads into something that is not a table.
        ArtifactError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "motet.toml"
        >>> _ = file.write_text("[training]\nepochs = 3 # few\n")
        >>> rewrite(file, {"training.epochs": 8, "weights.rating": 0.5})
        >>> print(file.read_text())
        [training]
        epochs = 8 # few
        <BLANKLINE>
        [weights]
        rating = 0.5
        <BLANKLINE>
    """
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {path} to write settings into") from error
    except tomlkit.exceptions.ParseError as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}") from error
    for key, value in values.items():
        put(document, key, value, new=_new)
    output = path if output is None else output
    if output.parent.resolve() != path.parent.resolve():
        for table, name in _files(document):
            table[name] = Path(os.path.relpath(path.parent / table[name], output.parent)).as_posix()
    head = "".join(f"# {note}\n" for note in notes)
    replace(output, head + tomlkit.dumps(document))


def _files(document: Any) -> list[tuple[Any, str]]:
    """The tables and keys that name a file."""
    data, towers = document.get("data", {}), [each for each in document.get("towers", {}).values() if "vectors" in each]
    named = [(tower, "vectors") for tower in towers if isinstance(tower["vectors"], str)]
    return [*((data, name) for name in data), *((log, "events") for log in document.get("mix", [])), *named]


def _new(depth: int) -> Table | InlineTable:
    """A table of the file has a heading of its own; a table inside a table is written on one line."""
    return tomlkit.inline_table() if depth else tomlkit.table()


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Args:
        path: The file.
        text: Its contents.

    Raises:
        ArtifactError: If the file cannot be written.
    """
    try:
        with whole_file(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ArtifactError(
            f"could not write {path}: {error.strerror}; the existing file is untouched. Free some space, or name a "
            "file in a writable folder"
        ) from error
