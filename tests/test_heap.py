from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from motet.heap import bound, give_back

PROGRAM = """
import ctypes
from pathlib import Path
from motet.heap import give_back

def own():
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0])

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
before = own()
parts = [libc.malloc(1 << 16) for _ in range(800)]
for part in parts:
    ctypes.memset(part, 1, 1 << 16)
for part in parts[:-1]:
    libc.free(part)
kept = own() - before
give_back()
print(kept, own() - before)
"""

REQUESTS = """
import ctypes, resource
from motet.heap import bound

bound()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]

def request():
    part = libc.malloc(1 << 21)
    ctypes.memset(part, 1, 1 << 21)
    libc.free(part)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

first = request()
print([request() for _ in range(10)][-1] - first)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="of glibc")
def test_what_was_freed_below_what_is_in_use_goes_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    kept, then = map(int, done.stdout.split())
    assert kept > 40_000 > 10_000 > then


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="of glibc")
def test_the_next_request_finds_the_pages_of_the_last() -> None:
    done = subprocess.run([sys.executable, "-c", REQUESTS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 500  # a page has at least 4 kB: 5,120 of them if each request took its own


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    give_back()
    bound()
