"""What Polars says of a damaged file reaches nobody's stderr; what others say does."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from polars.exceptions import ComputeError, PanicException

from motet.artifact.panics import without_panic, without_panics

FLIP = """
import sys
from pathlib import Path
from motet.artifact.reading import _table, reading
from motet.errors import ArtifactError

file, panics = Path(sys.argv[1]), 0
whole = file.read_bytes()
for bit in range(8 * 63, 8 * 67):  # where the pages of a column begin
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    file.write_bytes(damaged)
    try:
        with reading("items.parquet", "it"):
            _table(file)
    except ArtifactError as error:
        assert str(error).startswith("'items.parquet' in 'it' does not hold what motet writes"), error
        panics += "Polars cannot make sense of it: " in str(error)
print(panics)
"""


def test_a_damaged_file_is_an_error_and_says_nothing_on_stderr(tmp_path: Path) -> None:
    pl.DataFrame({"id": range(8), "name": ["a", "b"] * 4}).write_parquet(tmp_path / "items.parquet")
    done = subprocess.run(
        [sys.executable, "-c", FLIP, str(tmp_path / "items.parquet")], capture_output=True, text=True, timeout=300
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert int(done.stdout) > 0  # else these bits are not those that make Polars panic, and others have to be found


def test_what_others_say_meanwhile_comes_out(capfd: pytest.CaptureFixture[str]) -> None:
    def read() -> None:
        os.write(2, b"before\n\nthread 'a' (7) panicked at b.rs:1:2:\nno\n")
        os.write(2, b'{"event": "request"}\nstack backtrace:\n   0: main\n')
        raise PanicException("no")

    with pytest.raises(ComputeError, match="Polars cannot make sense of it: no"), without_panics():
        read()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == 'before\n{"event": "request"}\nafter\n'


def test_threads_read_one_after_the_other(capfd: pytest.CaptureFixture[str]) -> None:
    def read(number: int) -> None:
        with without_panics():
            os.write(2, b"%d\n" % number)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(read, range(40)))
    assert sorted(map(int, capfd.readouterr().err.split())) == list(range(40))


def test_without_stderr_or_room_files_are_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("motet.artifact.panics.TemporaryFile", full)
    with pytest.raises(ComputeError, match="Polars cannot make sense of it"), without_panics():
        raise PanicException("no")


def test_what_is_no_panic_stays_as_it_is() -> None:
    said = b"thread 'a' is panicked about\nin the middle thread 'b' panicked at c\n"
    assert without_panic(said) == said
