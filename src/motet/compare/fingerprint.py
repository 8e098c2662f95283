"""Fingerprints of the data files of a project: other contents make another run."""

from __future__ import annotations

import hashlib
from pathlib import Path

from motet.data.files import files_of
from motet.project import Project

SHOWN = 16  # hexadecimal digits of the hash: enough to tell any two contents apart


def fingerprints(project: Project) -> dict[str, str]:
    """Size and SHA-256 of each data file, for the plan of a run.

    Files are read whole: a size may stay the same when a value changes, and a time changes when a file is copied.

    Args:
        project: The project.

    Returns:
        Text by name: `events`, `users`, `items`, `mix 1` and so on. Missing files are left out: reading them fails.
    """
    return {name: _fingerprint(place) for name, place in _places(project).items() if files_of(place)}


def stamps(project: Project) -> tuple[tuple[str, int, int], ...]:
    """Path, size and time of the last change of each data file: a cheap sign that a file has changed.

    Args:
        project: The project.

    Returns:
        The three values of every file; a folder or a pattern gives one entry for each of its files.
    """
    found = [(file, file.stat()) for place in _places(project).values() for file in files_of(place)]
    return tuple((str(file), stat.st_size, stat.st_mtime_ns) for file, stat in found)


def _places(project: Project) -> dict[str, Path]:
    """Files, folders of Parquet files, and patterns, by name."""
    named = project.document.data.model_dump(exclude_none=True)
    further = {f"mix {row}": log.events for row, log in enumerate(project.document.mix, 1)}
    vectors = {f"vectors of the {side} tower": file for side, file in project.document.towers.files().items()}
    return {name: project.path(written) for name, written in {**named, **further, **vectors}.items()}


def _fingerprint(place: Path) -> str:
    """Size and hash of a file; of several, those of all in order."""
    size, digest = 0, hashlib.sha256()
    for file in files_of(place):
        size += file.stat().st_size
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return f"{size:,} bytes, SHA-256 {digest.hexdigest()[:SHOWN]}"
