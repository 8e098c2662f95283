"""SharedArrays: puts large arrays of models into files that several processes map, so that each is in memory once."""

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

SMALLEST = 1 << 20  # bytes of an array: smaller ones are not worth a file
KEPT_S = 600.0  # a file that no model here uses may be one that another process is about to map


class SharedArrays:
    """Puts the arrays of a model into files, and the files in the place of the arrays.

    A file is called by the checksum of what it holds: an array that another process, or another model, has as well is
    mapped from the file that is there. What is mapped may still be written to; this process then has pages of its own.

    Args:
        folder: Of the files; only this service should be able to write to it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used: dict[int, set[str]] = {}

    def share(self, model: object) -> None:
        """Map the large arrays of a model, before anybody asks it; where the disk is full they stay as they are.

        Args:
            model: Of whatever parts.
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
        """Remove the files of models that are gone.

        Args:
            models: Those that answer.
        """
        kept = {id(model) for model in models}
        self._used = {number: used for number, used in self._used.items() if number in kept}
        names = {name for used in self._used.values() for name in used}
        for file in self.folder.glob("*"):
            if file.name not in names and file.stat().st_mtime < time.time() - KEPT_S:
                file.unlink(missing_ok=True)  # who has mapped it keeps it

    @torch.no_grad()
    def _put(self, group: list[Tensor]) -> str:
        """Give tensors of one storage the content of a file that holds the same."""
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
        """Make a file whole; where another process was quicker, its file stays, for it is mapped already."""
        with tempfile.NamedTemporaryFile(dir=self.folder) as new:
            new.write(content)
            new.flush()
            with suppress(FileExistsError):
                os.link(new.name, file)


def tensors(root: object) -> Iterator[Tensor]:
    """All tensors that motet's objects, modules, tables and lists under an object hold.

    Args:
        root: Where to begin.

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
