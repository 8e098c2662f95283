"""An index as one file: safetensors, so that reading one runs no code from it, with a checksum of what it holds.

| tensor | holds |
|---|---|
| `vectors` | all rows, removed ones included; absent where `of` says in which file they lie |
| `removed` | the rows that are no longer found |
| `rounded.codes`, `rounded.columns`, `rounded.groups`, `rounded.longest` | those of an `ExactIndex` that has them |
| `cells`, `centroids`, `cell`, `codes` | those of an `ApproximateIndex` that has them |
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from motet.errors import ArtifactError, ConfigError, DataError
from motet.heap import give_back
from motet.index import parts
from motet.index.approximate import ApproximateIndex
from motet.index.base import Index
from motet.index.codes import Codes
from motet.index.exact import ExactIndex
from motet.index.rounded import Rounded, suits
from motet.mapped import Mapped, content, let_go
from motet.whole_file import whole_file

FORMAT = "1"  # raised when an older motet could no longer read what is written
CODES = ("cells", "centroids", "cell", "codes")
ROUNDED = ("codes", "columns", "groups", "longest")
FIX = "restore it from a copy, or build and save the index again"


def save(index: Index, path: str | Path) -> None:
    """Write an index to a file; an older file at `path` stays whole until the new one is.

    Args:
        index: An `ExactIndex` or an `ApproximateIndex`.
        path: Of the file.

    Raises:
        ArtifactError: If the file cannot be written.
        ConfigError: If the index is of another class.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     save(ExactIndex(torch.eye(3)), f"{folder}/index.safetensors")
        ...     len(load(f"{folder}/index.safetensors"))
        3
    """
    whole = to_bytes(index)
    try:
        with whole_file(Path(path)) as unfinished:
            unfinished.write_bytes(whole)
    except OSError as error:
        raise ArtifactError(
            f"could not write {str(path)!r}: {error.strerror or error}; an existing file is untouched. Free some "
            "space, or name a file in a writable folder"
        ) from error


def to_bytes(index: Index, *, of: str = "") -> bytes:
    """What the file of an index holds.

    Args:
        index: An `ExactIndex` or an `ApproximateIndex`.
        of: Checksum of another file that holds the vectors, so that this one need not.

    Returns:
        The content.

    Raises:
        ConfigError: If the index is of another class.
    """
    if not isinstance(index, ExactIndex | ApproximateIndex):
        raise ConfigError(f"a {type(index).__name__} cannot be saved; save an ExactIndex or an ApproximateIndex")
    exact = index.exact if isinstance(index, ApproximateIndex) else index
    tensors = {"removed": exact.removed.cpu()}
    told = {"format": FORMAT, "index": type(index).__name__}
    if of:
        told["of"] = of
    else:
        tensors["vectors"] = exact.vectors.cpu().contiguous()
    if exact.rounded is not None:
        tensors |= {f"rounded.{name}": getattr(exact.rounded, name) for name in ROUNDED}
    if isinstance(index, ApproximateIndex):
        told |= {"probes": str(index.probes), "shortlist": str(index.shortlist)}
        if index.codes is not None:
            tensors |= {name: getattr(index.codes, name) for name in CODES}
    return content(tensors, {**told, "sha256": _checksum(tensors, told)})


def load(path: str | Path, vectors: Mapping[str, Tensor] | None = None) -> ExactIndex | ApproximateIndex:
    """Read what `save` wrote; it gives the same answers bit for bit.

    The vectors stay in the file and are read where they are looked at, so that several processes share one copy.

    Args:
        path: Of the file.
        vectors: Those that lie in other files, by the checksum of the file: an index in a saved model has none itself.

    Returns:
        The index, on the processor.

    Raises:
        ArtifactError: If the file is missing, damaged, changed or from a newer motet, or its vectors are not there.
        ConfigError: If it holds an approximate index and faiss is not installed.
    """
    try:
        file = Mapped(Path(path))
    except FileNotFoundError:
        raise ArtifactError(f"there is no index at {str(path)!r}; check the path") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactError(f"{str(path)!r} is damaged: {error}; {FIX}") from error
    told, tensors = file.told, file.tensors
    if told.get("format", FORMAT) != FORMAT:
        raise ArtifactError(
            f"{str(path)!r} has format {told['format']}, and this motet reads format {FORMAT}; upgrade: "
            "pip install --upgrade motet"
        )
    if told.pop("sha256", None) != _checksum(tensors, told):
        raise ArtifactError(f"{str(path)!r} was changed: its checksum does not fit what it holds; {FIX}")
    if "of" in told:
        if told["of"] not in (vectors or {}):
            raise ArtifactError(f"{str(path)!r} is an index of other vectors; build it again: motet index MODEL")
        tensors = {**tensors, "vectors": (vectors or {})[told["of"]]}
    try:
        parts.check(told, tensors, (ExactIndex.__name__, ApproximateIndex.__name__))
        codes = Codes(**{name: tensors[name] for name in CODES}) if "codes" in tensors else None
        let_go(file.tensors.values())  # codes are read once, to be laid out in another order
        give_back()
        return _built(told, tensors, codes)
    except (ValueError, KeyError, DataError) as error:
        raise ArtifactError(f"{str(path)!r} was not written by motet: {error}; {FIX}") from error


def _built(
    told: Mapping[str, str], tensors: Mapping[str, Tensor], codes: Codes | None
) -> ExactIndex | ApproximateIndex:
    vectors, approximate = tensors["vectors"], told["index"] == ApproximateIndex.__name__
    kept = "rounded.codes" in tensors and suits(vectors)
    rounded = Rounded(**{name: tensors[f"rounded.{name}"] for name in ROUNDED}) if kept else None
    exact = ExactIndex.of(vectors, rounded) if kept or approximate else ExactIndex(vectors)
    exact.remove(tensors["removed"])
    if not approximate:
        return exact
    return ApproximateIndex.of(exact, codes, probes=int(told["probes"]), shortlist=int(told["shortlist"]))


def _checksum(tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> str:
    digest = hashlib.sha256(repr(sorted(told.items())).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
