"""Downloads of published files: cached, resumed after an interruption, verified before use."""

from __future__ import annotations

import hashlib
import http
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from motet.errors import DownloadError

CHUNK = 1 << 18

Advance = Callable[[int, int | None], None]
"""Receives the bytes so far and the total (None if the server does not say)."""


def cache_dir() -> Path:
    """Where downloads are kept: `$MOTET_CACHE`, else `$XDG_CACHE_HOME/motet`, else `~/.cache/motet`.

    Returns:
        The folder, which may not exist yet.
    """
    if own := os.environ.get("MOTET_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "motet"


def make_folder(folder: Path) -> None:
    """Create a folder of the cache.

    Args:
        folder: The folder; it may exist already.

    Raises:
        DownloadError: If it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"cannot write to the cache {folder}: {error}; set MOTET_CACHE to another folder"
        ) from error


def fetch(url: str, to: Path, *, md5: str, progress: bool = True, timeout_s: float = 10, patience: int = 3) -> Path:
    """Download a file unless it exists; it appears under its name only once it is complete and verified.

    Args:
        url: Where it is published.
        to: Where to store it; a partial download is kept beside it as `.part`.
        md5: Published checksum.
        progress: Whether to show a progress bar on stderr.
        timeout_s: Timeout for connecting and for each read.
        patience: How many interruptions in a row without any progress to accept.

    Returns:
        `to`.

    Raises:
        DownloadError: If the server is unreachable, refuses, keeps breaking off, or sends a different file.
    """
    if to.exists():
        return to
    make_folder(to.parent)
    part = to.with_name(to.name + ".part")
    resumed = part.exists()
    _fill(url, part, progress, timeout_s, patience)
    if resumed and _md5(part) != md5:
        # The partial download of an earlier run may belong to another version of the file.
        part.unlink()
        _fill(url, part, progress, timeout_s, patience)
    if (found := _md5(part)) != md5:
        part.unlink()
        raise DownloadError(f"{url} sent a file with MD5 {found}, but the published one has {md5}; try again later")
    part.replace(to)
    return to


def _fill(url: str, part: Path, progress: bool, timeout_s: float, patience: int) -> None:
    """Request the rest until the file is complete, or there is no more progress."""
    most, tries = _size(part), 0
    with _bar(url.rsplit("/", 1)[-1], progress) as advance:
        while True:
            try:
                _append(url, part, timeout_s, advance)
                return
            except urllib.error.HTTPError as error:
                raise DownloadError(f"{url} answers {error.code} {error.reason}") from error
            except urllib.error.URLError as error:
                raise DownloadError(f"{url} cannot be reached: {error.reason}") from error
            except (OSError, http.client.HTTPException) as error:
                most, tries = max(most, _size(part)), 0 if _size(part) > most else tries + 1
                if tries >= patience:
                    raise DownloadError(
                        f"the download of {url} keeps breaking off, last after {_size(part):,} bytes: {error}; "
                        "call again to resume"
                    ) from error


def _append(url: str, part: Path, timeout_s: float, advance: Advance) -> None:
    """Request what is missing; raise an OSError if not all of it arrives."""
    have = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if have and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # the file is complete; the checksum will tell
        raise
    with response:
        resumes = response.status == http.HTTPStatus.PARTIAL_CONTENT
        start = have if resumes else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with part.open("ab" if resumes else "wb") as file:
            _copy(response, file, start, total, advance)
    if total is not None and _size(part) < total:
        raise ConnectionError(f"{total - _size(part):,} of {total:,} bytes are missing")


def _copy(response: http.client.HTTPResponse, file: IO[bytes], start: int, total: int | None, advance: Advance) -> None:
    done = start
    advance(done, total)
    while chunk := response.read(CHUNK):
        file.write(chunk)
        done += len(chunk)
        advance(done, total)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@contextmanager
def _bar(title: str, progress: bool) -> Iterator[Advance]:
    if not progress:
        yield lambda _completed, _total: None
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.DownloadColumn(),
        rich.TransferSpeedColumn(),
    )
    # stdout is for results, which a program may read.
    with rich.Progress(*columns, rich.TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda completed, total: bar.update(task, completed=completed, total=total)
