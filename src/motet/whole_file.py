"""whole_file: write a file whole or not at all; sync_folder: have the names of files on disk as well."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file under another name first, so that a full disk or a kill leaves an existing one as it is.

    Args:
        path: The file, or a link to it; an existing one is replaced at the end, and its permissions stay.

    Yields:
        The path to write to, in the same folder.

    Raises:
        OSError: If the file cannot be synced or renamed.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> with whole_file(folder / "words.txt") as unfinished:
        ...     _ = unfinished.write_text("all of them")
        >>> [file.name for file in folder.iterdir()]
        ['words.txt']
    """
    path = path.resolve()  # a link would be replaced, and the file behind it stay as it is
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, unfinished)
        os.replace(unfinished, path)
    finally:
        with suppress(OSError):
            unfinished.unlink()


def sync_folder(folder: Path) -> None:
    """Sync the entries of a folder to disk; without this, a power failure can lose a new file that is itself synced.

    Args:
        folder: The folder in which files were created, renamed or removed.
    """
    with suppress(PermissionError):  # Windows cannot open folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
