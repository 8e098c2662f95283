from __future__ import annotations

import hashlib
import os
from pathlib import Path

import polars as pl
import pytest

from motet.compare import sweep, tune
from motet.compare.fingerprint import fingerprints, stamps
from motet.compare.work import rows_of
from motet.errors import ConfigError
from motet.project import Project


def change_in_place(log: Path) -> None:
    """Other stars in as many bytes, at the same time of change."""
    before = log.stat()
    log.write_text(log.read_text().replace("4.5", "3.5"))
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert log.stat().st_size == before.st_size


def test_contents_and_not_size_or_time_tell_files_apart(project: Project, file: Path) -> None:
    log = file.with_name("log.csv")
    first = fingerprints(project)
    assert first.keys() == {"events"}
    digest = hashlib.sha256(hashlib.sha256(log.read_bytes()).digest()).hexdigest()
    assert first["events"] == f"{log.stat().st_size:,} bytes, SHA-256 {digest[:16]}"
    os.utime(log, ns=(0, 0))
    assert fingerprints(project) == first
    change_in_place(log)
    assert fingerprints(project) != first


def test_a_folder_of_files_and_a_missing_one(project: Project, file: Path) -> None:
    folder = file.with_name("parts")
    folder.mkdir()
    parts = project.changed({"data.events": "parts", "data.users": "nowhere.csv"})
    pl.DataFrame({"user": [1]}).write_parquet(folder / "a.parquet")
    (folder / "notes.txt").write_text("not read")
    first = fingerprints(parts)
    assert first.keys() == {"events"}
    (folder / "notes.txt").unlink()
    assert fingerprints(parts) == first
    pattern = project.changed({"data.events": "parts/*.parquet"})
    assert fingerprints(pattern) == first
    pl.DataFrame({"user": [2]}).write_parquet(folder / "b.parquet")
    assert fingerprints(pattern) == fingerprints(parts) != first
    assert [name for name, *_ in stamps(pattern)] == [str(folder / "a.parquet"), str(folder / "b.parquet")]


def test_a_run_does_not_resume_on_other_data_of_the_same_size(project: Project, file: Path, tmp_path: Path) -> None:
    over = {"training.epochs": [1]}
    sweep(project, over=over, folder=tmp_path / "sweep", progress=False)
    tune(project, over={"towers.*.dim": [4]}, trials=1, epochs=1, folder=tmp_path / "tune", progress=False)
    change_in_place(file.with_name("log.csv"))
    told = r"holds another run: data\.events is '[\d,]+ bytes, SHA-256 \w{16}' there and '"
    with pytest.raises(ConfigError, match=told):
        sweep(project, over=over, folder=tmp_path / "sweep", progress=False)
    with pytest.raises(ConfigError, match=told):
        tune(project, over={"towers.*.dim": [4]}, trials=1, epochs=1, folder=tmp_path / "tune", progress=False)


def test_rows_are_read_anew_when_a_file_has_changed(project: Project, file: Path) -> None:
    log = file.with_name("log.csv")
    first = rows_of(project)
    assert rows_of(project) is first
    log.write_text(log.read_text() + "99,i1,3.0\n")
    assert len(rows_of(project).train.users) == len(first.train.users) + 1
