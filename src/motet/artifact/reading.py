"""Reading: the tables of a saved model as a log; anybody may have written them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from motet.artifact import pages
from motet.artifact.panics import without_panics
from motet.data.entities import Entities
from motet.data.log import EventLog
from motet.data.schema import Feature, Schema
from motet.data.sides import build_entities
from motet.data.vocab import Vocab
from motet.errors import ArtifactError, MotetError
from motet.mapped import Mapped

MODEL = "model.json"
SIDES = ("users.parquet", "items.parquet")
EVENTS = "events.safetensors"
PART = 1 << 14  # ids compared at a time


@contextmanager
def reading(name: str, path: str, *, but: type[MotetError] | tuple[()] = ()) -> Iterator[None]:
    """Add the name of the file to any error raised inside.

    Anybody may have written the file, and its checksums too. The code that reads it expects what motet writes, and
    anything else may raise errors of any kind.

    Args:
        name: Name of the file.
        path: The caller's path of the folder, for messages.
        but: Errors that pass unchanged.

    Yields:
        Nothing.

    Raises:
        MotetError: For one raised inside, of the same class.
        ArtifactError: For any other exception.
    """
    try:
        yield
    except but:
        raise
    except MotetError as error:
        if repr(name) in str(error):
            raise
        raise type(error)(f"{name!r} in {path!r}: {error}") from error
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        raise ArtifactError(
            f"{name!r} in {path!r} does not hold what motet writes ({type(error).__name__}: {words}); ask for it "
            "again, or save the model again"
        ) from error


def read_log(folder: Path, path: str, document: Mapping[str, Any]) -> EventLog:
    """Read the training log.

    Args:
        folder: The folder that holds the files.
        path: The caller's path of it, for messages.
        document: Content of `model.json`.

    Returns:
        The log; its events are mapped from their file.

    Raises:
        ArtifactError: If a file does not match the schema.
    """
    with reading(MODEL, path):
        schema = _schema(document["schema"])
        vocabs = {name: _vocab(name, ids) for name, ids in dict(document["vocabs"]).items()}
        recents = {name: dict(made) for name, made in dict(document["recents"]).items()}
        if schema.event is not None and schema.event not in vocabs:
            raise ValueError(f"it does not list the values of {schema.event!r}")
    users = _entities(folder, SIDES[0], path, schema.user, schema.user_features)
    items = _entities(folder, SIDES[1], path, schema.item, schema.item_features)
    with reading(EVENTS, path):
        sizes = {schema.user: len(users), schema.item: len(items)}
        sizes |= {name: len(vocab) for name, vocab in vocabs.items()}
        held = Mapped(folder / EVENTS).tensors
        columns = {name: _column(name, held[name], sizes.get(name), name == schema.time) for name in schema.columns}
        if len({len(column) for column in columns.values()}) > 1:
            raise ValueError("its columns are not equally long")
        return EventLog(schema, users, items, columns, vocabs, recents=recents)


def _schema(document: Any) -> Schema:
    schema = Schema.from_json(json.dumps(document))
    names = [name for name in (schema.time, schema.event) if name is not None]
    if not all(isinstance(name, str) for name in (schema.user, schema.item, *names, *schema.signals)):
        raise ValueError("the name of a column is not text")
    return schema


def _vocab(name: str, ids: Any) -> Vocab:
    if not (isinstance(ids, list) and {type(each) for each in ids} in (set(), {str}, {int})):
        raise ValueError(f"the values of {name!r} are neither all text nor all integers")
    vocab = Vocab.build(pl.Series(name, ids), name)
    if vocab.ids.to_list() != ids:
        raise ValueError(f"the values of {name!r} are not unique and sorted")
    return vocab


def _entities(folder: Path, file: str, path: str, key: str, kinds: Mapping[str, Feature]) -> Entities:
    """Encode the saved table again; equal tables have equal codes."""
    with reading(file, path):
        table = _table(folder / file)
        ids = table[key]
        if ids.dtype not in (pl.String, pl.Int64) or ids.null_count() or not _ascending(ids):
            raise ValueError(f"the ids in {key!r} are not unique and sorted")
        return build_entities(key, Vocab(key, ids), kinds, table)


def _ascending(ids: pl.Series) -> bool:
    """Whether ids are unique and sorted; in parts, because Polars copies both sides of a comparison."""
    parts = (ids.slice(start, PART + 1) for start in range(0, len(ids), PART))
    return all(bool((part[1:] > part[:-1]).all()) for part in parts)


def _table(file: Path) -> pl.DataFrame:
    """Read a table, unless it is far larger in memory than its file suggests."""
    pages.check(file)
    with without_panics():
        table = pl.read_parquet(file)
    texts = sum(_characters(column) for column in table)
    size = file.stat().st_size
    if texts > pages.BYTES * size + pages.SPARE:
        raise ValueError(f"its {size:,} bytes unpack to {texts:,} bytes of text, more than any log does")
    return table


def _characters(column: pl.Series) -> int:
    while isinstance(column.dtype, pl.List | pl.Array):
        column = column.explode()
    return int(column.str.len_bytes().sum() or 0) if column.dtype == pl.String else 0


def _column(name: str, values: Tensor, size: int | None, moment: bool) -> Tensor:
    """A column of rows below `size`, of times, or of numbers that may be missing."""
    rows, times = (torch.int64,), (torch.int64, torch.float64)
    if values.ndim != 1 or values.dtype not in (rows if size is not None else times if moment else (torch.float32,)):
        raise ValueError(f"column {name!r} holds numbers of shape {tuple(values.shape)} and kind {values.dtype}")
    if size is not None and len(values) and not 0 <= int(values.min()) <= int(values.max()) < size:
        raise ValueError(f"column {name!r} names a row that does not exist; there are {size:,}")
    if moment and not values.isfinite().all():
        raise ValueError(f"column {name!r} holds a time that is not finite")
    return values
