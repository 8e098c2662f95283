"""SharedArrays: moves large arrays of models into files that processes map, so that each is in memory only once."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from motet.mapped import is_mapped
from motet.serve.log import log_event

SMALLEST = 1 << 20  # bytes; smaller arrays are not worth a file
KEPT_S = 600.0  # a file that no model here uses may be one that another process is about to map


class SharedArrays:
    """Replaces the arrays of a model by mapped files.

    A file is named by the checksum of its content, so an array that another process or another model also has is
    mapped from the existing file. Mapped arrays may still be written to; the process then gets its own copy of those
    pages.

    Args:
        folder: Holds the files; only this service should be able to write to it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used: dict[int, set[str]] = {}

    def share(self, model: object) -> None:
        """Map the large arrays of a model, before it answers requests. If the disk is full they stay where they are.

        Args:
            model: Any object that holds tensors.
        """
        used = self._used[id(model)] = set()
        by_storage: dict[int, list[Tensor]] = {}
        for tensor in tensors(model):
            if tensor.device.type == "cpu" and not is_mapped(tensor) and tensor.untyped_storage().nbytes() >= SMALLEST:
                by_storage.setdefault(tensor.untyped_storage().data_ptr(), []).append(tensor)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for group in by_storage.values():
                used.add(self._put(group))
        except OSError as error:
            log_event("memory", shared=False, reason=error.strerror)

    def sweep(self, models: Iterable[object]) -> None:
        """Remove the files that none of these models uses.

        Args:
            models: Those that answer requests.
        """
        kept = {id(model) for model in models}
        self._used = {number: used for number, used in self._used.items() if number in kept}
        names = {name for used in self._used.values() for name in used}
        for file in self.folder.glob("*"):
            with suppress(FileNotFoundError):  # another process sweeps too
                if file.name not in names and file.stat().st_mtime < time.time() - KEPT_S:
                    file.unlink()  # processes that have mapped it keep it

    @torch.no_grad()
    def _put(self, group: list[Tensor]) -> str:
        """Point tensors that share a storage at a file with the same content."""
        storage = group[0].untyped_storage()
        content = torch.empty(0, dtype=torch.uint8).set_(storage).numpy().data
        name = hashlib.sha256(content).hexdigest()
        file = self.folder / name
        if file.exists():
            os.utime(file)
        else:
            self._write(file, content)
        mapped = torch.UntypedStorage.from_file(str(file), False, storage.nbytes())
        for tensor in group:
            place = (tensor.storage_offset(), tensor.size(), tensor.stride())
            tensor.data = torch.empty(0, dtype=tensor.dtype).set_(mapped, *place)  # type: ignore[arg-type]
        return name

    def _write(self, file: Path, content: memoryview) -> None:
        """Create a complete file; if another process was first, its file stays, because it is mapped already."""
        with tempfile.NamedTemporaryFile(dir=self.folder) as new:
            new.write(content)
            new.flush()
            with suppress(FileExistsError):
                os.link(new.name, file)


def tensors(root: object) -> Iterator[Tensor]:
    """All tensors reachable from an object through motet's classes, modules, mappings and sequences.

    Args:
        root: Where to start.

    Yields:
        Each tensor once.
    """
    seen: set[int] = set()
    ahead = [root]
    while ahead:
        one = ahead.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, Mapping):
            ahead.extend(one.values())
        elif isinstance(one, list | tuple | set):
            ahead.extend(one)
        elif isinstance(one, torch.nn.Module) or type(one).__module__.startswith("motet."):
            ahead.extend(vars(one).values())
