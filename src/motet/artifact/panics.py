"""Panics: what Polars says on stderr before it raises an error, kept away from whoever reads stderr."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO

from polars.exceptions import ComputeError, PanicException

STDERR = 2
PANIC = re.compile(rb"\n?^thread '[^\n]*panicked at ", re.MULTILINE)
_alone = threading.Lock()  # stderr is one for the whole process


@contextmanager
def without_panics() -> Iterator[None]:
    """Turn a panic of Polars into one of its ordinary errors, without the pages it writes to stderr.

    Files that are damaged make parts of Polars panic. Each panic writes where it happened, straight to the file
    descriptor. Meanwhile that is a file; what others wrote to it comes out at the end. For files that `pages.check` has
    seen: others may end the process, and its last words would be lost.

    Yields:
        Nothing.

    Raises:
        ComputeError: In the place of a panic.
    """
    try:
        with _alone, _aside():
            yield
    except PanicException as panic:
        raise ComputeError(f"Polars cannot make sense of it: {panic}") from None


@contextmanager
def _aside() -> Iterator[None]:
    with ExitStack() as stack:
        try:
            said = stack.enter_context(TemporaryFile())
            kept = os.dup(STDERR)
        except OSError:  # no room, or nobody reads stderr: a panic is seen or not, as it comes
            pass
        else:
            stack.callback(_back, kept, said)
            os.dup2(said.fileno(), STDERR)
        yield


def _back(kept: int, said: IO[bytes]) -> None:
    os.dup2(kept, STDERR)
    os.close(kept)
    said.seek(0)
    with suppress(OSError), open(STDERR, "wb", closefd=False) as stderr:
        stderr.write(without_panic(said.read()))


def without_panic(said: bytes) -> bytes:
    r"""What else was said.

    Args:
        said: On stderr.

    Returns:
        All of it up to a panic, and from there on the lines of a service's log: where a panic ends nobody says.

    Example:
        >>> without_panic(b'hello\n\nthread \'main\' (7) panicked at a.rs:1:\nno\n{"event": "request"}\n')
        b'hello\n{"event": "request"}\n'
    """
    found = PANIC.search(said)
    if found is None:
        return said
    lines = said[found.start() :].splitlines(keepends=True)
    return said[: found.start()] + b"".join(line for line in lines if line.startswith(b'{"'))
