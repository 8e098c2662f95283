"""A folder that is written completely or not at all, and checked against its manifest when it is read."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from motet import __version__
from motet.artifact.lock import locked
from motet.artifact.sealed import seal, unseal
from motet.errors import ArtifactError, ConfigError, MotetError
from motet.whole_file import sync_folder

Read = TypeVar("Read")

FORMAT = 1  # increases when older versions of motet can no longer read what is written
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
PREVIOUS = ".previous"
FIX = "restore it from a copy, or train and save the model again"


class Kind(StrEnum):
    """What a folder holds."""

    MODEL = "a saved model"
    ARTIFACT = "an artifact"
    REPORT = "a report"


MARKS = {
    "card.json": Kind.ARTIFACT,
    "model.json": Kind.MODEL,
    "report.html": Kind.REPORT,
}  # the first file found counts


def write_folder(
    path: str | Path,
    files: Iterable[tuple[str, bytes]],
    sign: Callable[[bytes], dict[str, str]] | None = None,
    *,
    kind: Kind = Kind.MODEL,
) -> None:
    """Write files and a manifest of their checksums; an old folder at `path` stays intact until all are on disk.

    The files go to a hidden sibling folder, which is then renamed to `path`. The old folder is first renamed to
    another hidden sibling, and removed last. If a crash comes between the two renames, `read_folder` finds the old
    one there. A second save to the same path waits for the first, and then replaces what it wrote.

    Args:
        path: The folder: new, empty, or written by this function as the same kind.
        files: Names and contents, consumed one at a time while no other save to `path` is under way, so that a
            generator holds only one in memory and may read what it replaces.
        sign: Turns the bytes of the manifest into the content of `manifest.sig`; if not given, there is no signature.
        kind: What the files are.

    Raises:
        ConfigError: If there is something else at `path`.
        ArtifactError: If the disk is full or not writable.
    """
    target = Path(path).resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target):
            check_free(path, kind)
            _write_whole(target, files, sign)
    except OSError as error:
        raise ArtifactError(
            f"could not save to {str(path)!r}: {error.strerror or error}; what was there before is untouched. "
            "Free some space or choose another folder, and save again"
        ) from error


def _write_whole(
    target: Path, files: Iterable[tuple[str, bytes]], sign: Callable[[bytes], dict[str, str]] | None
) -> None:
    new, old = _siblings(target)
    try:
        if new.exists():  # left over from a save that was killed
            shutil.rmtree(new)
        new.mkdir()
        entries = {name: _write(new / name, content) for name, content in files}
        manifest = seal({"format": FORMAT, "motet": __version__, "files": entries})
        _write(new / MANIFEST, manifest)
        if sign is not None:
            _write(new / SIGNATURE, seal(sign(manifest)))
        for folder in {(new / name).parent for name in entries} | {new}:
            sync_folder(folder)
        _swap(new, target, old)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def read_folder(path: str | Path) -> Path:
    """Check a folder against its manifest.

    Args:
        path: The folder.

    Returns:
        The folder that holds its files; see `located`.

    Raises:
        ArtifactError: If the folder or one of its files is missing, a file was added, shortened or changed, or the
            format is newer than this motet, or it cannot be read; the message names the file, the difference and the
            fix.
    """
    try:
        return _checked(path)
    except OSError as error:
        raise ArtifactError(
            f"{str(path)!r} cannot be read: {error.strerror}; check the path, and who may read it"
        ) from error


def _checked(path: str | Path) -> Path:
    folder = located(path)
    files: dict[str, dict[str, Any]] = _manifest(folder, str(path))["files"]
    read_signature(folder, str(path))
    # A link counts as a file wherever it leads, so that nothing outside the folder can pass for a part of it.
    paths = [file for file in folder.rglob("*") if file.is_symlink() or not file.is_dir()]
    present = {file.relative_to(folder).as_posix() for file in paths} - {MANIFEST, SIGNATURE}
    for name in sorted(files.keys() | present):
        where = f"{name!r} in {str(path)!r}"
        if name not in present:
            raise ArtifactError(f"{where} is missing; {FIX}")
        if name not in files:
            raise ArtifactError(f"{where} is not part of the saved model; move it out of the folder")
        _check(_plain(folder, name, str(path)), files[name], where)
    return folder


def located(path: str | Path) -> Path:
    """The folder that holds the files of a saved model.

    Args:
        path: The path it was saved to.

    Returns:
        That folder; its hidden sibling if a save crashed between its two renames.
    """
    target = Path(path).resolve()
    old = _siblings(target)[1]
    return old if not target.exists() and old.exists() else target


def saved_in(folder: Path) -> list[Path]:
    """The paths of the saved models in a folder.

    Args:
        folder: Holds folders of saved models, each at the path it was saved to.

    Returns:
        The paths in the order of their names, as `located` takes them; hidden ones are left out.
    """
    names = {path.name for path in folder.glob("[!.]*")}
    names |= {path.name[1:].removesuffix(PREVIOUS) for path in folder.glob(f".[!.]*{PREVIOUS}")}
    return [folder / name for name in sorted(names) if _holds_model(located(folder / name))]


def _holds_model(folder: Path) -> bool:
    return os.access(folder / MANIFEST, os.R_OK) and held(folder) is not Kind.REPORT


def read_signature(folder: Path, path: str) -> dict[str, Any] | None:
    """The content of `manifest.sig`.

    Args:
        folder: The folder that holds the files.
        path: The caller's path, for messages.

    Returns:
        What `sign` returned for the manifest, if no stranger wrote it; None if the folder is not signed.

    Raises:
        ArtifactError: If the file was changed.
    """
    file = _plain(folder, SIGNATURE, path)
    if not file.exists():
        return None
    try:
        return unseal(file.read_bytes())
    except ValueError:
        raise ArtifactError(f"{SIGNATURE!r} in {path!r} is damaged; {FIX}") from None


def fingerprint(path: str | Path) -> str:
    """What tells one save to a path from another.

    Args:
        path: The path it was saved to.

    Returns:
        A checksum of the manifest and of where and when it was written, so that equal models differ, too; empty if
        nothing is saved there.
    """
    try:
        folder = located(path)
        about = folder.stat()
        place = f"{folder.name} {about.st_ino} {about.st_mtime_ns} ".encode()
        return hashlib.sha256(place + (folder / MANIFEST).read_bytes()).hexdigest()
    except OSError:
        return ""


def unmixed(path: str | Path, read: Callable[[], Read]) -> Read:
    """Read a folder, again if another save replaced its files meanwhile, so that nothing is of both.

    Args:
        path: The path it was saved to.
        read: Reads it.

    Returns:
        What `read` returns.
    """
    while True:
        was = fingerprint(path)
        try:
            found = read()
        except (MotetError, OSError):
            if fingerprint(path) == was:
                raise
            continue
        if fingerprint(path) in (was, ""):
            return found


def held(folder: Path) -> Kind:
    """What a folder of `write_folder` holds.

    Args:
        folder: The folder.

    Returns:
        Its kind.
    """
    return next((kind for name, kind in MARKS.items() if (folder / name).exists()), Kind.MODEL)


def check_outside(path: str | Path) -> None:
    """Refuse a path within a saved folder, which is damaged by any file that it does not list.

    Args:
        path: The path to write to.

    Raises:
        ConfigError: If one of the folders above it holds a saved model, an artifact or a report.
    """
    for folder in Path(path).resolve().parents:
        if (folder / MANIFEST).exists() and any((folder / name).exists() for name in MARKS):
            raise ConfigError(
                f"cannot write {str(path)!r}: {folder.name!r} holds {held(folder)}, which another file would damage; "
                "choose a place outside"
            )


def check_free(path: str | Path, kind: Kind = Kind.MODEL) -> None:
    """Refuse a path that cannot be saved to, or where saving would remove something of another kind.

    Call it before training, which a path that turns out wrong afterwards would waste.

    Args:
        path: The path to save to.
        kind: What is to be saved.

    Raises:
        ConfigError: If there is a file, or a folder that holds anything but this kind, or its folder cannot be
            written.
    """
    target = Path(path).resolve()
    try:
        check_outside(path)
        _check_writable(target, str(path))
        _check_replaceable(target, kind)
    except OSError as error:
        raise ConfigError(f"cannot save to {str(path)!r}: {error.strerror}; choose another folder") from error


def _check_writable(target: Path, path: str) -> None:
    """Whether the folder can be made; the nearest one that exists has to be writable."""
    if not target.name:
        raise ConfigError(f"cannot save to {path!r}, which holds everything else; name a folder in it")
    there = next(folder for folder in target.parents if folder.exists())
    if not there.is_dir():
        raise ConfigError(f"cannot save to {path!r}: {str(there)!r} is a file; choose another folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot save to {path!r}: {str(there)!r} cannot be written; choose another folder")


def _check_replaceable(target: Path, kind: Kind) -> None:
    folder, name = located(target), target.name
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError(f"{name!r} is a file; {kind} is a folder: choose another name")
    names = {file.name for file in folder.iterdir()}
    if names and MANIFEST not in names:
        some = ", ".join(map(repr, sorted(names)[:3])) + (", ..." if len(names) > 3 else "")
        raise ConfigError(f"the folder {name!r} holds {some}, which {kind} would replace; choose a new folder")
    try:
        known = {file.split("/")[0] for file in _manifest(folder, name)["files"]} if names else set()
    except ArtifactError as error:
        raise ConfigError(f"cannot replace what is there: {error}. Or remove the folder, or choose another") from error
    if names and held(folder) != kind:
        raise ConfigError(
            f"the folder {name!r} holds {held(folder)}, which {kind} would replace; choose another folder, or remove "
            "this one"
        )
    if extra := names - known - {MANIFEST, SIGNATURE}:
        raise ConfigError(
            f"the folder {name!r} holds {min(extra)!r} beside {kind}, and saving would remove it; move it away, or "
            "choose another folder"
        )


def _siblings(target: Path) -> tuple[Path, Path]:
    return target.with_name(f".{target.name}.saving"), target.with_name(f".{target.name}{PREVIOUS}")


def _write(file: Path, content: bytes) -> dict[str, int | str]:
    """Write one file and sync it to disk; the checksum is that of the content as it was passed in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _swap(new: Path, target: Path, old: Path) -> None:
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _manifest(folder: Path, path: str) -> dict[str, Any]:
    try:
        manifest = unseal(_plain(folder, MANIFEST, path).read_bytes())
        version = manifest["format"]
        newer = type(version) is int and version > FORMAT
        known = type(version) is int and 1 <= version <= FORMAT
        whole = newer or (known and all(map(_is_entry, manifest["files"].values())))
    except (FileNotFoundError, NotADirectoryError):
        what = f"it has no {MANIFEST}" if folder.is_dir() or not folder.exists() else "it is a file, not a folder"
        raise ArtifactError(f"there is no saved model in {path!r}: {what}; check the path") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        manifest, version, newer, whole = {}, 0, False, False
    if newer:
        raise ArtifactError(
            f"{path!r} was saved by motet {str(manifest.get('motet', '?'))[:20]} in format {version}, and this motet "
            f"{__version__} reads formats up to {FORMAT}; upgrade: pip install --upgrade motet"
        )
    if not whole:
        raise ArtifactError(f"{MANIFEST!r} in {path!r} is damaged; {FIX}")
    checked: dict[str, Any] = manifest
    return checked


def _is_entry(entry: Any) -> bool:
    return type(entry["bytes"]) is int and type(entry["sha256"]) is str


def _plain(folder: Path, name: str, path: str) -> Path:
    """A file that is safe to open: not a link, which may lead anywhere, nor a pipe, which may never end."""
    file = folder / name
    if file.is_symlink() or (file.exists() and not file.is_file()):
        raise ArtifactError(f"{name!r} in {path!r} is not a plain file; put the file itself there")
    return file


def _check(file: Path, entry: dict[str, Any], where: str) -> None:
    size = file.stat().st_size
    if size != entry["bytes"]:
        change = "shortened" if size < entry["bytes"] else "lengthened"
        raise ArtifactError(f"{where} was {change}: it has {size:,} bytes instead of {entry['bytes']:,}; {FIX}")
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != entry["sha256"]:
        raise ArtifactError(
            f"{where} was changed: its sha256 is {digest[:12]}... instead of {str(entry['sha256'])[:12]}...; {FIX}"
        )
