"""Panics: keeps off stderr what Polars prints there before it raises an error."""

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
_alone = threading.Lock()  # the whole process shares one stderr


@contextmanager
def without_panics() -> Iterator[None]:
    """Turn a panic of Polars into one of its ordinary errors, without the trace that it prints to stderr.

    Damaged files make parts of Polars panic, and each panic prints its location straight to the file descriptor. Inside
    this context the descriptor is a temporary file; what other threads wrote is copied to stderr at the end. Use it
    only for files that have passed `pages.check`: others may kill the process, and its last messages would be lost.

    Yields:
        Nothing.

    Raises:
        ComputeError: In place of a panic.
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
        except OSError:  # no space, or stderr is closed: then a panic may be printed
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
    r"""Output without the traces of panics.

    Args:
        said: Output on stderr.

    Returns:
        Everything up to the first panic; after it only lines of a service's log: the end of a trace is not marked.

    Example:
        >>> without_panic(b'hello\n\nthread \'main\' (7) panicked at a.rs:1:\nno\n{"event": "request"}\n')
        b'hello\n{"event": "request"}\n'
    """
    found = PANIC.search(said)
    if found is None:
        return said
    lines = said[found.start() :].splitlines(keepends=True)
    return said[: found.start()] + b"".join(line for line in lines if line.startswith(b'{"'))
