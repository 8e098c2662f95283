"""PretrainedTower: vectors from another model, as a feature."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy.typing as npt
import polars as pl
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from motet.data.batch import Batch
from motet.data.entities import Entities
from motet.data.ids import Ids
from motet.data.table import Table
from motet.data.visitors import Visitors
from motet.errors import ConfigError, DataError
from motet.layers import Combine, Embedding
from motet.layers.embedding import uniform
from motet.towers.encoders import Features, chosen
from motet.towers.featured import FeaturedTower
from motet.towers.twin import twin


def aligned(entities: Entities, ids: Ids, vectors: Tensor | npt.NDArray[Any]) -> Float[Tensor, "entities width"]:
    """Put vectors in the order of the entities' rows.

    Args:
        entities: The users or the items.
        ids: The id of each vector; unknown ids are left out.
        vectors: One line an id.

    Returns:
        One line an entity; NaN if it has no vector.

    Raises:
        DataError: If the numbers of lines and ids differ, an id is repeated, a number is NaN or infinite, or no id is
            known.

    Example:
        >>> import polars as pl
        >>> from motet.data.vocab import Vocab
        >>> items = Entities("item_id", Vocab.build(pl.Series(["alien", "up"]), "item_id"))
        >>> aligned(items, ["up", "jaws"], torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[nan, nan],
                [nan, nan],
                [1., 2.]])
    """
    lines = torch.as_tensor(vectors, dtype=torch.float32, device="cpu")
    if lines.ndim != 2 or len(lines) != len(ids):
        raise DataError(
            f"{len(ids):,} ids of {entities.key!r} came with vectors of shape {tuple(lines.shape)}; give one line an id"
        )
    broken = ~lines.isfinite().all(1)
    if broken.any():
        line = int(broken.nonzero()[0])
        raise DataError(
            f"the vector of {entities.key!r} {ids[line]!r} (line {line}) holds NaN or infinity; leave out ids without "
            "a vector"
        )
    rows = entities.vocab.encode(ids)
    counts = torch.bincount(rows, minlength=len(entities))
    counts[0] = 0
    if not counts.any():
        raise DataError(
            f"none of {len(ids):,} ids, such as {ids[0] if len(ids) else None!r}, is a known {entities.key!r}; use the "
            "ids of the log"
        )
    if (counts > 1).any():
        twice = entities.vocab.decode([int(counts.argmax())])[0]
        raise DataError(f"{entities.key!r} {twice!r} has {int(counts.max())} vectors; give each id one")
    table = torch.full((len(entities), lines.shape[1]), float("nan"))
    table[rows] = lines
    table[0] = float("nan")
    return table


def read_vectors(entities: Entities, path: str | Path) -> Float[Tensor, "entities width"]:
    """Read vectors from a table and put them in the order of the entities' rows.

    Args:
        entities: The users or the items.
        path: A file with a column of their ids, named as in the log, and the numbers: in one column of lists, or in a
            column each.

    Returns:
        As `aligned`.

    Raises:
        DataError: If the file cannot be read, has no numbers or lists of different lengths, and as `aligned` says.
    """
    text = [entities.key] if entities.vocab.is_text else []
    table = Table.open(path, "the vectors", needs=[entities.key], text=text, codes=[entities.key])
    columns = [table.column(name) for name in table.columns if name != entities.key]
    numbers = _lists(columns[0], table) if [*map(_is_list, columns)] == [True] else _numbers(columns, table)
    return aligned(entities, table.column(entities.key), numbers)


def _is_list(column: pl.Series) -> bool:
    return isinstance(column.dtype, pl.List | pl.Array) and bool(column.dtype.inner.is_numeric())


def _lists(column: pl.Series, table: Table) -> npt.NDArray[Any]:
    """One column of lists of numbers, all of one length."""
    lists = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
    lengths = lists.list.len().drop_nulls().unique().sort().to_list()
    if len(lengths) != 1:
        raise DataError(
            f"{table.where(column.name)} holds lists of {', '.join(map(str, lengths[:4])) or 'no'} numbers; write one "
            "length for all"
        )
    return lists.list.to_array(lengths[0]).to_numpy(writable=True)


def _numbers(columns: Sequence[pl.Series], table: Table) -> npt.NDArray[Any]:
    """A column for each number."""
    wrong = next((column for column in columns if not column.dtype.is_numeric()), None)
    if wrong is not None or not columns:
        found = "has ids alone" if wrong is None else f"has a column {wrong.name!r} of type {wrong.dtype}"
        raise DataError(f"{table.name} {found}; beside the ids, write one column of lists of numbers, or only numbers")
    return pl.DataFrame(columns).to_numpy(writable=True)


class PretrainedTower(FeaturedTower):
    """A `FeatureTower` that also reads a fixed vector of each entity, such as an embedding of its text or image.

    A learned linear map projects the vectors to the width of the tower; entities without a vector share a learned one.
    The fixed vectors are not trained, and are saved with the weights.

    Args:
        entities: The users or the items.
        vectors: The result of `aligned(entities, ids, vectors)`: a line for each row of the entities, NaN if it has no
            vector. Or a file as `read_vectors` takes it; or only their width, for a tower that will load saved weights.
        dim: Width of the tower's vectors.
        ids: Whether each entity also has a learned id vector; without it, new entities are embedded as well as others.
        features: Names of declared features to read. None reads every one, `()` none.
        hidden: Widths of the hidden layers. Without any, all vectors are summed.
        dropout: Share of values set to 0 in training: after every hidden layer, or of the output if there is none.
        init_scale: Embeddings start at uniform(-init_scale, init_scale), and mapped vectors start about as large.

    Raises:
        ConfigError: If there is not a line for each row, a name is not a declared feature, or a width or share is out
            of range.
        DataError: If the file of the vectors is not as `read_vectors` takes it.

    Example:
        >>> import polars as pl
        >>> from motet.data.vocab import Vocab
        >>> items = Entities("item_id", Vocab.build(pl.Series(["alien", "up"]), "item_id"))
        >>> vectors = aligned(items, ["up"], torch.tensor([[1.0, 2.0, 3.0]]))
        >>> PretrainedTower(items, vectors, dim=8)(Batch({"item_id": torch.tensor([2, 1, 0])})).shape
        torch.Size([3, 8])
    """

    vectors: Tensor

    def __init__(
        self,
        entities: Entities,
        vectors: Float[Tensor, "entities width"] | npt.NDArray[Any] | str | Path | int,
        *,
        dim: int = 32,
        ids: bool = True,
        features: Iterable[str] | None = None,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        init_scale: float = 0.05,
    ) -> None:
        super().__init__()
        names = chosen(entities, features)
        if isinstance(vectors, int):
            table = torch.full((len(entities), vectors), float("nan"))
        elif isinstance(vectors, str | Path):
            table = read_vectors(entities, vectors)
        else:
            table = torch.as_tensor(vectors, dtype=torch.float32)
        if table.ndim != 2 or len(table) != len(entities):
            raise ConfigError(
                f"vectors of shape {tuple(table.shape)} are not one line for each of the {len(entities):,} rows of "
                f"{entities.key!r}, the unknown included; align them: aligned(entities, ids, vectors)"
            )
        self.entities = entities
        self.reads = tuple(names)
        self.dim = dim
        self._config = {
            "vectors": table.shape[1],
            "dim": dim,
            "ids": ids,
            "features": names,
            "hidden": list(hidden),
            "dropout": dropout,
            "init_scale": init_scale,
        }
        self.combine = Combine(1 + ids + len(names), dim, hidden=hidden, dropout=dropout)
        self.ids = Embedding(len(entities), dim, init_scale=init_scale) if ids else None
        self.features = Features(entities, names, dim=dim, init_scale=init_scale, sparse=False)
        self.register_buffer("vectors", table)
        given = table[~table.isnan().any(1)]  # none of them where weights are to be loaded
        size = given.square().sum(1).mean().nan_to_num().sqrt().clamp(min=1e-6)
        self.map = nn.Parameter(uniform(table.shape[1], dim, init_scale=init_scale).detach() / size)
        self.missing = uniform(dim, init_scale=init_scale)

    def for_visitors(self, visitors: Visitors) -> Self:
        """Embed visitors by ids and features, strangers without a pretrained vector; see `Tower.for_visitors`."""
        vectors = self.vectors[visitors.rows.to(self.vectors.device)]
        return twin(super().for_visitors(visitors), vectors=vectors)

    def described(self) -> Bool[Tensor, " entities"]:
        """Tell which entities have a pretrained vector or features; see `Tower.described`."""
        return super().described() | ~self.vectors.isnan().any(1).cpu()

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Embed `batch[entities.key]`.

        Args:
            batch: Needs the id column.

        Returns:
            One vector for each row of the batch.
        """
        rows = batch[self.entities.key]
        lines = self.vectors[rows]
        known = ~lines.isnan().any(1, keepdim=True)
        mapped = (lines.nan_to_num() @ self.map).where(known, self.missing)
        own = [] if self.ids is None else [self.ids(rows)]
        out: Tensor = self.combine([*own, mapped, *self.features(rows)])
        return out
