"""Temporary folders of services that run, and of those that were killed."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest

from motet.serve.scratch import YOUNG_S, remove_abandoned, scratch_folder


def test_only_what_a_killed_service_left_behind_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    outside = tmp_path / "outside"
    for name in ("motet-serve-dead", "motet-serve-young", "outside"):
        (tmp_path / name / "arrays").mkdir(parents=True)
    (tmp_path / "motet-serve-link").symlink_to(outside)
    (tmp_path / "motet-serve-file").touch()
    os.mkfifo(tmp_path / "motet-serve-pipe")  # opening it would wait for ever
    kept = {file.name for file in tmp_path.iterdir()} - {"motet-serve-dead"}
    with scratch_folder() as scratch:
        for name in ("motet-serve-dead", scratch.name):
            os.utime(tmp_path / name, (0, 0))
        with scratch_folder() as other:
            assert {file.name for file in tmp_path.iterdir()} == kept | {scratch.name, other.name}
            os.utime(other, (0, 0))
            remove_abandoned(tmp_path)
            assert other.exists()
    assert {file.name for file in tmp_path.iterdir()} == kept
    assert (outside / "arrays").exists()
    assert YOUNG_S > 1


def test_sigterm_during_the_start_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, scratch_folder():
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 0
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is before
