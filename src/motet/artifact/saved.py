"""Save and load: a model and what is needed to serve it, as files that need no pickle.

| file | holds |
|---|---|
| `manifest.json` | format, version, size and checksum of every other file |
| `model.json` | schema, towers, tasks, weights of the tasks |
| `model.safetensors` | parameters and buffers |
| `vectors.safetensors` | what the item tower makes of every item |
| `users.parquet`, `items.parquet` | ids in the order of their rows, and the tables as they were read |
| `events.parquet` | user row, item row, time and signals of every training event |
| `fusion.json` | what each task counts for in recommendations; only where that is not what its loss counted for |
| `index.safetensors` | the index of these vectors; only where one was made |
| `report.html` | what `motet report` says of the training; only where it was put in |
| `retrieval.json`, `neighbours.safetensors` | what counts as seen and where candidates come from; only where said |
| `run.json` | how the model came to be and how good it is, for `motet report`; only where that was given |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor

from motet.artifact import vectors as kept_vectors
from motet.artifact.declaration import Within, describe, rebuild
from motet.artifact.folder import MANIFEST, SIGNATURE, read_folder, write_folder
from motet.artifact.reading import EVENTS, MODEL, SIDES, read_log, reading
from motet.artifact.sealed import read_document
from motet.artifact.vectors import Vectors
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.index import ApproximateIndex, ExactIndex
from motet.index import load as load_index
from motet.index.stored import to_bytes
from motet.layers import BagEmbedding, Embedding
from motet.layers.hashed import HashedEmbedding
from motet.mapped import Mapped
from motet.model import Model

WEIGHTS, VECTORS, INDEX = "model.safetensors", kept_vectors.FILE, "index.safetensors"
RUN, FUSION, REPORT = "run.json", "fusion.json", "report.html"
TABLES = (Embedding, BagEmbedding, HashedEmbedding)  # their rows are copied or added up, wherever they lie


@dataclass(frozen=True)
class Saved:
    """What a folder holds.

    Attributes:
        model: In evaluation mode.
        log: The training log less its context, which no request has.
        vectors: Of all items; None where the model was saved without.
        index: Of the item vectors; None where none was made.
        by: What each task counts for in recommendations; None where that is what its loss counted for.
        folder: Where the files lie, checked against the manifest.
    """

    model: Model
    log: EventLog
    vectors: Vectors | None
    index: ExactIndex | ApproximateIndex | None
    by: Mapping[str, Any] | None
    folder: Path


def save(
    path: str | Path,
    model: Model,
    log: EventLog,
    run: str = "",
    *,
    vectors: Vectors | None = None,
    index: ExactIndex | ApproximateIndex | None = None,
    by: Mapping[str, float] | None = None,
    more: Iterable[tuple[str, bytes]] = (),
) -> None:
    """Write a model and the log it serves; nothing of an older model at `path` is lost before all is written.

    Args:
        path: Of the folder.
        model: Trained.
        log: Whose users, items and seen pairs it serves.
        run: JSON text of how the model came to be; none where empty.
        vectors: What the model makes of all items, so that whoever loads it need not make them again.
        index: Of the item vectors, to travel with them.
        by: What each task counts for in recommendations, where that is not what its loss counted for.
        more: Names and contents of further files.

    Raises:
        ConfigError: If `path` is a file, or a folder that holds anything but a saved model.
        ArtifactError: If the disk is full or refuses to be written.
    """
    told = [(RUN, run.encode())] if run else []
    if by is not None:
        told.append((FUSION, fusion(by)))
    content = b"" if vectors is None else kept_vectors.to_bytes(vectors)
    if vectors is not None:
        told.append((VECTORS, content))
    if index is not None:
        told.append((INDEX, _indexed(index, vectors, hashlib.sha256(content).hexdigest())))
    write_folder(path, chain(_files(model, log), told, more))


def kept(folder: Path, *less: str) -> Iterator[tuple[str, bytes]]:
    """The files of a saved model, to be written again.

    Args:
        folder: Where they lie, already checked against their manifest.
        *less: Beginnings of the names of those that are left out.

    Yields:
        Names and contents.
    """
    for name in _entries(folder):
        if not name.startswith(less):
            yield name, (folder / name).read_bytes()


def put_index(path: str | Path, index: ExactIndex | ApproximateIndex) -> None:
    """Put an index into a saved model, in the place of the one that is there; all else stays as it is.

    Args:
        path: Of the folder.
        index: Of the vectors of the model's items.

    Raises:
        ArtifactError: If the folder is damaged, or the disk full; what was there before is untouched.
        ConfigError: If the model is signed: a file more would leave it without its signature.
    """
    folder = read_folder(path)
    if (folder / SIGNATURE).exists():
        raise ConfigError(
            f"{str(path)!r} is signed, and with an index it would be another; make the index of the model that it was "
            "exported of, then export and sign again"
        )
    content = _indexed(index, kept_vectors.read(folder), _digest(folder))
    write_folder(path, chain(kept(folder, INDEX), [(INDEX, content)]))


def _indexed(index: ExactIndex | ApproximateIndex, vectors: Vectors | None, digest: str) -> bytes:
    """The file of an index, without its vectors where these lie in a file of their own."""
    elsewhere = vectors is not None and torch.equal(index.vectors.cpu(), vectors.rows[1:].cpu())
    return to_bytes(index, of=digest if elsewhere else "")


def _entries(folder: Path) -> dict[str, Any]:
    files: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())["files"]
    return files


def _digest(folder: Path) -> str:
    """The checksum of the file of vectors; empty where there is none."""
    return str(_entries(folder).get(VECTORS, {}).get("sha256", ""))


def fusion(by: Mapping[str, float]) -> bytes:
    """What `fusion.json` holds.

    Args:
        by: What each task counts for in recommendations.

    Returns:
        JSON.
    """
    return json.dumps({"by": dict(by)}, indent=2).encode()


def load(path: str | Path, model: Model | None = None) -> Saved:
    """Read what `save` wrote.

    Args:
        path: Of the folder.
        model: A model of the same parts, into which the weights are loaded; needed where a class of the saved model
            is not motet's own.

    Returns:
        What it holds. Tables of embeddings, item vectors and index stay in their files, which several processes share;
        all else lies in memory as before it was saved. A model that was given has weights of its own.

    Raises:
        ArtifactError: If the folder is damaged, incomplete, changed, or from a newer motet.
        ConfigError: If a model has to be given, or the one given has other users, items or parts.
    """
    folder, where = read_folder(path), str(path)
    document = read_document(folder, MODEL, where)
    log = read_log(folder, where, document)
    if model is not None:
        _check_entities(model, log)
        _load_weights(Mapped(folder / WEIGHTS).tensors, model)
    else:
        model = _rebuilt(folder, where, document, log)
    with reading(VECTORS, where):
        vectors = kept_vectors.read(folder)
    with reading(INDEX, where):
        at_hand = {} if vectors is None else {_digest(folder): vectors.rows[1:]}
        index = load_index(folder / INDEX, at_hand) if (folder / INDEX).exists() else None
    with reading(FUSION, where):
        by = dict(read_document(folder, FUSION, where)["by"]) if (folder / FUSION).exists() else None
    return Saved(model.eval(), log, vectors, index, by, folder)


def _rebuilt(folder: Path, path: str, document: Mapping[str, Any], log: EventLog) -> Model:
    """The model that the declaration says, with the weights that are there; as large as these, whatever it says."""
    with reading(MODEL, path):
        declared, parts = document["model"], document["parts"]
    if declared is None:
        raise ConfigError(
            f"{path!r} holds the weights of {str(parts)[:200]}, and not all of these classes are motet's own; "
            "build the model as for training and pass it: load(path, model=...)"
        )
    file = folder / WEIGHTS
    with reading(WEIGHTS, path):
        held = Mapped(file).tensors
    with reading(MODEL, path), Within(weights=file.stat().st_size, tensors=len(held)):
        model = rebuild(declared, log.users, log.items)
    tables = {f"{name}.weight" for name, part in model.named_modules() if isinstance(part, TABLES)}
    with reading(WEIGHTS, path):
        own = {name: tensor if name in tables else tensor.clone() for name, tensor in held.items()}
        _load_weights(own, model, assign=True)
    return model


def _files(model: Model, log: EventLog) -> Iterator[tuple[str, bytes]]:
    parts = [type(part).__name__ for part in (model, model.user, model.item, *model.tasks.values())]
    schema = replace(log.schema, context_features={})
    document = {
        "schema": json.loads(schema.to_json()),
        "vocabs": {name: vocab.ids.to_list() for name, vocab in log.vocabs.items() if name == log.schema.event},
        "recents": log.recents,
        "model": describe(model),
        "parts": f"{parts[0]}({', '.join(parts[1:])})",
    }
    yield MODEL, json.dumps(document, indent=2).encode()
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    yield WEIGHTS, to_safetensors(state)
    for name, side in zip(SIDES, (log.users, log.items), strict=True):
        yield name, _parquet(side.table)
    columns = {name: log.columns[name].cpu().numpy() for name in schema.columns}
    yield EVENTS, _parquet(pl.DataFrame(columns))


def _parquet(frame: pl.DataFrame) -> bytes:
    stream = BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


def _check_entities(model: Model, log: EventLog) -> None:
    for side, tower, saved in (("user", model.user, log.users), ("item", model.item, log.items)):
        if tower.entities.vocab != saved.vocab:
            raise ConfigError(
                f"the {side}s of the given model ({len(tower.entities) - 1:,}) are not those of the saved one "
                f"({len(saved) - 1:,}); build it from the log that the saved one was trained on"
            )


def _load_weights(held: Mapping[str, Tensor], model: Model, *, assign: bool = False) -> None:
    """Copy weights into a model, or put them in the place of its own."""
    for name, tensor in model.state_dict().items():
        if name in held and held[name].dtype != tensor.dtype:
            raise ConfigError(f"the saved weights {name!r} are {held[name].dtype}, and the model's are {tensor.dtype}")
    try:
        model.load_state_dict(held, assign=assign)
    except RuntimeError as error:
        differences = " ".join(line.strip() for line in str(error).splitlines()[1:])
        raise ConfigError(f"the saved weights do not fit the model: {differences}") from error
