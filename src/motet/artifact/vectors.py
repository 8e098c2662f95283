"""Vectors: those of all items, saved beside the weights so that no process has to compute them again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from motet.mapped import Mapped, aligned

FILE = "vectors.safetensors"
NAME = "vectors"


class Vectors(NamedTuple):
    """One vector per item row, including row 0 of the unknown item.

    Attributes:
        rows: The vector of each item from the tower, followed by what a task appends for the index.
        task: The task whose candidates these are; empty if nothing is appended.
    """

    rows: Float[Tensor, "items width"]
    task: str


def to_bytes(vectors: Vectors) -> bytes:
    """The content of the file of vectors.

    Args:
        vectors: Vectors of all items.

    Returns:
        The bytes.
    """
    return aligned(NAME, vectors.rows, {"task": vectors.task})


def read(folder: Path) -> Vectors | None:
    """Map the vectors of a saved model into memory, where processes share one copy.

    Args:
        folder: The folder of the files, already checked against the manifest.

    Returns:
        The vectors; None if the model was saved without them.

    Raises:
        ValueError: If the file does not hold vectors.
    """
    if not (folder / FILE).exists():
        return None
    file = Mapped(folder / FILE)
    rows = file.tensors[NAME]
    if rows.ndim != 2 or not rows.is_floating_point():
        raise ValueError(f"it holds numbers of shape {tuple(rows.shape)} and kind {rows.dtype}, which are not vectors")
    return Vectors(rows, file.told.get("task", ""))
