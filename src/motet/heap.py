"""Heap: return freed memory to the system; the C library of Linux keeps much of it unless told otherwise."""

from __future__ import annotations

import ctypes
from contextlib import suppress

LARGE = 8 << 20  # bytes; only maps and exact searches allocate larger arrays for a request
KEPT = 64 << 20  # bytes; as much as a heap of a thread can have
ARENAS = 2
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # parameters of `mallopt` in glibc


def give_back() -> None:
    """Return freed memory between what is in use: loading a model leaves much of it."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def bound() -> None:
    """Return large arrays as soon as they are freed, keep smaller ones for the next request, and share heaps.

    For a process that serves, and calls `give_back` now and then. By default glibc also returns the end of a heap once
    128 kB of it are free, and each request takes the same pages anew, one fault a page.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, LARGE)
        libc.mallopt(TRIM_THRESHOLD, KEPT)
        libc.mallopt(ARENA_MAX, ARENAS)
