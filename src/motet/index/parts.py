"""Parts: whether the tensors of a stored index go together, whoever wrote them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from motet.index.codes import BITS, WIDE
from motet.index.rounded import GROUP


def check(told: Mapping[str, str], tensors: Mapping[str, Tensor], kinds: tuple[str, ...]) -> None:
    """Refuse parts that no index has: a library that is given them would read past their ends.

    Args:
        told: What stands beside the tensors.
        tensors: The parts.
        kinds: Of index that there are.

    Raises:
        ValueError: If something is missing, or of another shape or kind than its place asks for.
    """
    if told.get("index") not in kinds:
        raise ValueError(f"it is an index of kind {told.get('index')!r}; kinds: {', '.join(kinds)}")
    for name in ("probes", "shortlist"):
        value = told.get(name, "1" if told["index"] == "ExactIndex" else "")
        if not (value.isdecimal() and len(value) < 19 and 0 < int(value) < 2**40):
            raise ValueError(f"its {name} is {value[:40]!r}")
    vectors, removed = _part(tensors, "vectors", 2), _part(tensors, "removed", 1)
    rows, width = vectors.shape
    if not vectors.is_floating_point() or removed.dtype != torch.int64:
        raise ValueError("its vectors are no numbers with a point, or the removed rows no whole ones")
    if len(removed) and not (removed[0] >= 0 and removed[-1] < rows and (removed.diff() > 0).all()):
        raise ValueError("rows are removed that it does not hold")
    if "codes" in tensors:
        cells = _part(tensors, "cells", 2)
        _coded(_part(tensors, "codes", 2), _part(tensors, "centroids", 3), len(cells) > 1, rows, width)
        _celled(cells, _part(tensors, "cell", 1), len(tensors["codes"]), width)
    if "rounded.codes" in tensors:
        _rounded({name: tensors[f"rounded.{name}"] for name in ("codes", "columns", "groups", "longest")}, rows, width)


def _part(tensors: Mapping[str, Tensor], name: str, ndim: int) -> Tensor:
    if name not in tensors or tensors[name].ndim != ndim:
        raise ValueError(f"it has no {name!r} of {ndim} dimensions")
    return tensors[name]


def _coded(codes: Tensor, centroids: Tensor, parted: bool, rows: int, width: int) -> None:
    fours = -(-width // WIDE)
    parts, numbers = (2 * fours, 2) if parted else (3 * fours, WIDE)
    fits = centroids.shape == (parts, 1 << BITS, numbers) and codes.shape[1] == (parts * BITS + 7) // 8
    if not fits or codes.dtype != torch.uint8 or centroids.dtype != torch.float32 or len(codes) > rows:
        raise ValueError(f"its codes are not those of {rows:,} vectors {width} wide")
    if not centroids.isfinite().all():
        raise ValueError("a centroid of its codes is not finite")


def _celled(cells: Tensor, cell: Tensor, rows: int, width: int) -> None:
    if cells.dtype != torch.float32 or cells.shape[1] != width + -width % WIDE or not len(cells):
        raise ValueError(f"its cells are not those of vectors {width} wide")
    if not cells.isfinite().all():
        raise ValueError("the centre of a cell is not finite")
    if cell.dtype != torch.int32 or len(cell) != rows or not ((cell >= 0) & (cell < len(cells))).all():
        raise ValueError(f"not each of its {rows:,} codes lies in one of its cells")


def _rounded(parts: Mapping[str, Tensor], rows: int, width: int) -> None:
    size = len(parts["codes"]) if parts["codes"].ndim else 0
    shapes = {"codes": (size, width), "columns": (2, width), "groups": (size // GROUP, 3), "longest": ()}
    kinds = {"codes": torch.int8, "columns": torch.float32, "groups": torch.float32, "longest": torch.float64}
    if size != rows // GROUP * GROUP or any(parts[name].shape != shape for name, shape in shapes.items()):
        raise ValueError(f"its rounded vectors are not those of {rows:,} vectors {width} wide")
    numbers = [parts[name] for name, kind in kinds.items() if kind.is_floating_point]
    if any(parts[name].dtype != kind for name, kind in kinds.items()) or not all(p.isfinite().all() for p in numbers):
        raise ValueError("its rounded vectors are not finite, or numbers of another kind")
