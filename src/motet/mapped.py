"""Mapped: the tensors of a safetensors file, mapped into memory: read on access and shared by processes."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

ALIGNMENT = 64  # bytes, as torch aligns its own arrays; other alignments change the rounding of matrix products
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
_places: WeakKeyDictionary[mmap.mmap, tuple[int, int]] = WeakKeyDictionary()  # first address, and that behind the last
_guard = Lock()  # one thread may load a model while another asks for the tensors of the one it serves


class Mapped:
    """A safetensors file mapped into memory, in pages that processes share and the system can drop.

    Writes to a tensor stay in this process and never reach the file.

    Args:
        file: A safetensors file from anybody; reading it runs no code.

    Raises:
        SafetensorError: If the file is damaged.
        OSError: If it cannot be read.
        ValueError: If it holds a type of number that motet never writes.

    Attributes:
        tensors: Tensors by name.
        told: The metadata of the file.

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
        with safe_open(file, "pt") as checked:  # checks every offset and shape against the size of the file
            self.told: dict[str, str] = checked.metadata() or {}
        with file.open("rb") as stream:
            start = 8 + int.from_bytes(stream.read(8), "little")
            head = json.loads(stream.read(start - 8))
            memory = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        head.pop("__metadata__", None)
        self.tensors = {name: _tensor(memory, start, about) for name, about in head.items()}
        first = torch.frombuffer(memory, dtype=torch.uint8).data_ptr()
        with _guard:
            _places[memory] = (first, first + len(memory))


def is_mapped(tensor: Tensor) -> bool:
    """Whether a tensor is mapped from a file.

    Args:
        tensor: Any tensor.

    Returns:
        True for the tensors of a `Mapped` and views of them.
    """
    place = tensor.untyped_storage().data_ptr()
    return any(first <= place < behind for _, (first, behind) in _held())


def let_go(tensors: Iterable[Tensor]) -> None:
    """Release the pages of mapped files; later accesses read them again from the system's cache.

    Args:
        tensors: Whose files; those that are not mapped stay as they are. What was written to a mapped one is lost.
    """
    places = {tensor.untyped_storage().data_ptr() for tensor in tensors}
    for memory, (first, behind) in _held():
        if hasattr(mmap, "MADV_DONTNEED") and any(first <= place < behind for place in places):
            memory.madvise(mmap.MADV_DONTNEED)


def aligned(name: str, tensor: Tensor, told: Mapping[str, str]) -> bytes:
    """The content of a safetensors file with one tensor, aligned as torch aligns its own.

    Args:
        name: Name of the tensor.
        tensor: The tensor, on any device.
        told: Metadata of the file.

    Returns:
        The content.
    """
    return content({name: tensor.detach().cpu().contiguous()}, told)


def content(tensors: Mapping[str, Tensor], told: Mapping[str, str]) -> bytes:
    """The content of a safetensors file. Equal arguments give equal bytes; the library writes metadata in any order.

    Args:
        tensors: Tensors by name, on the CPU; the first one written is aligned as torch aligns its own.
        told: Metadata of the file.

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


def _held() -> list[tuple[mmap.mmap, tuple[int, int]]]:
    with _guard:
        return list(_places.items())


def _tensor(memory: mmap.mmap, start: int, about: Mapping[str, Any]) -> Tensor:
    if about["dtype"] not in KINDS:
        raise ValueError(f"it holds numbers of kind {about['dtype']}, which motet never writes")
    kind, (begin, end) = KINDS[about["dtype"]], about["data_offsets"]
    if begin == end:
        return torch.empty(about["shape"], dtype=kind)
    count = (end - begin) // kind.itemsize
    return torch.frombuffer(memory, dtype=kind, count=count, offset=start + begin).view(about["shape"])
