"""Heap: return freed memory to the system; the C library of Linux keeps much of it unless told otherwise."""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE = 8 << 20  # bytes; only maps and exact searches allocate larger arrays for a request
ARENAS = 2
MMAP_THRESHOLD, ARENA_MAX = -3, -8  # parameters of `mallopt` in glibc


def give_back() -> None:
    """Return freed memory between what is in use: loading a model leaves much of it."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def bound() -> None:
    """Return large arrays as soon as they are freed, and let threads share heaps; for a process that serves."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)
        ctypes.CDLL(None).mallopt(ARENA_MAX, ARENAS)
