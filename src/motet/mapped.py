"""Mapped: the tensors of a safetensors file where they lie, read when they are looked at, and shared by processes."""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

ALIGNMENT = 64  # bytes: where torch lays its own arrays; at other places a matrix product rounds otherwise
KINDS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_places: WeakKeyDictionary[mmap.mmap, tuple[int, int]] = WeakKeyDictionary()  # first address and the one behind


class Mapped:
    """A safetensors file in memory: what is read of it lies in pages that processes share and the system can drop.

    What is written to a tensor stays in this process, and never reaches the file.

    Args:
        file: Written by `safetensors`; whoever wrote it, no code of it is run.

    Raises:
        SafetensorError: If the file is damaged.
        OSError: If it cannot be read.
        ValueError: If it holds numbers of a kind that motet never writes.

    Attributes:
        tensors: By name.
        told: What stands beside them.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = Path(folder, "file").write_bytes(aligned("rows", torch.eye(2), {"made": "by hand"}))
        ...     mapped = Mapped(Path(folder, "file"))
        >>> mapped.tensors["rows"], mapped.told
        (tensor([[1., 0.],
                [0., 1.]]), {'made': 'by hand'})
    """

    def __init__(self, file: Path) -> None:
        with safe_open(file, "pt") as checked:  # every offset and shape, against the size of the file
            self.told: dict[str, str] = checked.metadata() or {}
        with file.open("rb") as stream:
            start = 8 + int.from_bytes(stream.read(8), "little")
            head = json.loads(stream.read(start - 8))
            self._memory = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        head.pop("__metadata__", None)
        self.tensors = {name: _tensor(self._memory, start, about) for name, about in head.items()}
        first = torch.frombuffer(self._memory, dtype=torch.uint8).data_ptr()
        _places[self._memory] = (first, first + len(self._memory))

    def let_go(self) -> None:
        """Give back the pages that have been read: those that are looked at again come from the system's cache."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED)


def is_mapped(tensor: Tensor) -> bool:
    """Whether a tensor lies in a file.

    Args:
        tensor: Any.

    Returns:
        True for those of a `Mapped`, and for views of them.
    """
    place = tensor.untyped_storage().data_ptr()
    return any(first <= place < behind for first, behind in _places.values())


def aligned(name: str, tensor: Tensor, told: Mapping[str, str]) -> bytes:
    """The content of a safetensors file with one tensor, which lies there as torch would lay it.

    Args:
        name: Of the tensor.
        tensor: On any device.
        told: What stands beside it.

    Returns:
        The content.
    """
    return content({name: tensor.detach().cpu().contiguous()}, told)


def content(tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> bytes:
    """The content of a safetensors file: equal for equal tensors, where the library writes `told` in any order.

    Args:
        tensors: By name, on the processor; the first to be written lies as torch would lay it.
        told: What stands beside them.

    Returns:
        The content.
    """
    written = memoryview(save(dict(tensors), dict(told)))
    start = 8 + int.from_bytes(written[:8], "little")
    head = json.loads(bytes(written[8:start]))
    if told:
        head["__metadata__"] = dict(sorted(told.items()))
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    return b"".join((len(text).to_bytes(8, "little"), text, written[start:]))


def _tensor(memory: mmap.mmap, start: int, about: Mapping[str, Any]) -> Tensor:
    if about["dtype"] not in KINDS:
        raise ValueError(f"it holds numbers of kind {about['dtype']}, which motet never writes")
    kind, (begin, end) = KINDS[about["dtype"]], about["data_offsets"]
    if begin == end:
        return torch.empty(about["shape"], dtype=kind)
    count = (end - begin) // kind.itemsize
    return torch.frombuffer(memory, dtype=kind, count=count, offset=start + begin).view(about["shape"])
