"""Vectors: those of all items, kept beside the weights that made them, so that no process has to make them again."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from motet.mapped import Mapped, aligned

FILE = "vectors.safetensors"
NAME = "vectors"


class Vectors(NamedTuple):
    """One line an item row, row 0 of the unknown item included.

    Attributes:
        rows: The vector of each item, as wide as the tower says; behind it what a task adds for the index.
        task: Whose candidates the lines are; empty where they are the vectors alone.
    """

    rows: Float[Tensor, "items width"]
    task: str


def to_bytes(vectors: Vectors) -> bytes:
    """What the file of the vectors holds.

    Args:
        vectors: Of all items.

    Returns:
        The content.
    """
    return aligned(NAME, vectors.rows, {"task": vectors.task})


def read(folder: Path) -> Vectors | None:
    """The vectors of a saved model; they stay in the file, of which several processes share one copy.

    Args:
        folder: Where the files lie, already checked against their manifest.

    Returns:
        The vectors; None where there are none.

    Raises:
        ValueError: If these are no vectors.
    """
    if not (folder / FILE).exists():
        return None
    file = Mapped(folder / FILE)
    rows = file.tensors[NAME]
    if rows.ndim != 2 or not rows.is_floating_point():
        raise ValueError(f"it holds numbers of shape {tuple(rows.shape)} and kind {rows.dtype}, which are no vectors")
    return Vectors(rows, file.told.get("task", ""))
