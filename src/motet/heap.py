"""Heap: memory that was freed goes back to the system; the C library of Linux keeps much of it unless it is told to."""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE = 8 << 20  # bytes: what a request computes with is smaller, but for maps and exact searches
ARENAS = 2
MMAP_THRESHOLD, ARENA_MAX = -3, -8  # as `mallopt` of glibc calls them


def give_back() -> None:
    """Return what was freed, in pieces, between what is in use: much is after a model was read and put in order."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def bound() -> None:
    """From now on return large arrays when they are freed, and let threads share heaps: for a process that serves."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)
        ctypes.CDLL(None).mallopt(ARENA_MAX, ARENAS)
