"""scratch_folder: the temporary folder of a running service; those of services that were killed are removed."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

PREFIX = "motet-serve-"
YOUNG_S = 60.0  # a folder this new may belong to a service that has not locked it yet


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder, locked for as long as the service runs.

    SIGTERM ends the process in order, with code 0, until the service handles it by itself: it would leave the folder
    behind while models are loaded.

    The lock ends with the process, even after `kill -9`. It also holds between containers that share the folder for
    temporary files, and keeps systemd-tmpfiles from cleaning up under a service that runs for weeks.

    Yields:
        The folder; it is removed at the end.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with TemporaryDirectory(prefix=PREFIX) as name:
        folder = Path(name)
        handle = _opened(folder)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            remove_abandoned(folder.parent)
            yield folder
        finally:
            os.close(handle)
            signal.signal(signal.SIGTERM, before)


def remove_abandoned(temporary: Path) -> None:
    """Remove what services left behind that had no time to clean up: after `kill -9` or a power failure.

    Args:
        temporary: Folder for temporary files.
    """
    for folder in temporary.glob(f"{PREFIX}*"):
        with suppress(OSError):  # locked, removed in the meantime, or not a folder of ours
            handle = _opened(folder)
            try:
                if time.time() - os.fstat(handle).st_mtime > YOUNG_S:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
