"""locked: one save to a path at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Wait until no other save to a path is under way; others wait until this one has ended.

    The lock is a hidden file beside the path, removed when the save ends. The operating system releases it when the
    process ends, however it ends, so a lock that a kill left behind stops nobody.

    Args:
        target: The path to save to, in an existing folder.

    Yields:
        Nothing.

    Raises:
        OSError: If the folder cannot be written.
    """
    file = target.with_name(f".{target.name}.lock")
    handle = _held(file)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()  # while it is held, so that it cannot be the file of a later save
        os.close(handle)


def _held(file: Path) -> int:
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            with suppress(OSError):  # a file system without locks: a save without one is better than none
                fcntl.flock(handle, fcntl.LOCK_EX)
            if _is(file, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # the save that held it removed it


def _is(file: Path, handle: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
