"""Save and load: a model and everything needed to serve it, as files without pickle.

| file | holds |
|---|---|
| `manifest.json` | format, version, size and checksum of every other file |
| `model.json` | schema, towers, tasks, weights of the tasks |
| `model.safetensors` | parameters and buffers |
| `vectors.safetensors` | the vector of every item |
| `users.parquet`, `items.parquet` | ids in the order of their rows, and the tables as they were read |
| `events.safetensors` | user row, item row, time and signals of every training event |
| `fusion.json` | weight of each task in recommendations; only if it differs from the weight of its loss |
| `index.safetensors` | the index of the vectors; only if one was built |
| `report.html` | the report of the training; only if it was included |
| `retrieval.json`, `neighbours.safetensors` | what counts as seen and where candidates come from; only if specified |
| `run.json` | how the model was trained and evaluated, for `motet report`; only if it was given |
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
from motet.artifact.folder import FIX, MANIFEST, SIGNATURE, Kind, fingerprint, held, located, read_folder, write_folder
from motet.artifact.reading import EVENTS, MODEL, SIDES, read_log, reading
from motet.artifact.sealed import read_document
from motet.artifact.vectors import Vectors
from motet.data.log import EventLog
from motet.errors import ArtifactError, ConfigError
from motet.index import ApproximateIndex, ExactIndex
from motet.index import load as load_index
from motet.index.stored import to_bytes
from motet.layers import BagEmbedding, Embedding
from motet.layers.hashed import HashedEmbedding
from motet.mapped import Mapped
from motet.mapped import content as tensors_to_bytes
from motet.model import Model

WEIGHTS, VECTORS, INDEX = "model.safetensors", kept_vectors.FILE, "index.safetensors"
RUN, FUSION, REPORT = "run.json", "fusion.json", "report.html"
TABLES = (Embedding, BagEmbedding, HashedEmbedding)  # their rows are only copied or summed, so they may stay mapped


@dataclass(frozen=True)
class Saved:
    """The content of a saved model.

    Attributes:
        model: The model, in evaluation mode.
        log: The training log without its context columns, which requests do not have.
        vectors: Vectors of all items; None if the model was saved without them.
        index: Index of the item vectors; None if none was built.
        by: Weight of each task in recommendations; None if these are the weights of the losses.
        folder: The folder of the files, checked against the manifest.
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
    """Save a model and its training log; an older model at `path` stays intact until everything is written.

    Args:
        path: The folder.
        model: The trained model.
        log: The log whose users, items and seen pairs it serves.
        run: JSON text that describes the training; empty for none.
        vectors: Vectors of all items, so that loading need not compute them.
        index: Index of the item vectors.
        by: Weight of each task in recommendations, if it differs from the weights of the losses.
        more: Names and contents of further files.

    Raises:
        ConfigError: If `path` is a file, or a folder that holds anything but a saved model; or the weights are not
            float32.
        ArtifactError: If the disk is full or not writable.
    """
    for name, parameter in model.named_parameters():
        if parameter.dtype != torch.float32:
            raise ConfigError(
                f"parameter {name!r} is {parameter.dtype}, and saved models hold float32; call model.float(), and make "
                "the Recommender from that"
            )
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
    """The files of a saved model, to be written to another one.

    Args:
        folder: The folder of the files, already checked against the manifest.
        *less: Prefixes of the names to leave out.

    Yields:
        Names and contents.
    """
    for name in _entries(folder):
        if not name.startswith(less):
            yield name, (folder / name).read_bytes()


def put_index(path: str | Path, index: ExactIndex | ApproximateIndex, *, of: str | None = None) -> None:
    """Add an index to a saved model, or replace its index; everything else stays the same.

    Args:
        path: The folder.
        index: Index of the model's item vectors.
        of: The `fingerprint` of the folder before the model was read: to build an index takes minutes, in which
            another model may be saved there. By default the index is taken to be of the model that is there.

    Raises:
        ArtifactError: If the folder is damaged, or the disk is full; what was there before is untouched.
        ConfigError: If another model was saved there meanwhile, or the model is signed: another file would invalidate
            the signature.
    """
    write_folder(path, _with_index(path, index, of), kind=held(located(path)))


def _with_index(path: str | Path, index: ExactIndex | ApproximateIndex, of: str | None) -> Iterator[tuple[str, bytes]]:
    """The files of a saved model with another index; read while no other save can replace them."""
    folder = read_folder(path)
    if of is not None and of != fingerprint(folder):
        raise ConfigError(
            f"another model was saved to {str(path)!r} while the index was built; build it again: motet index {path}"
        )
    if (folder / SIGNATURE).exists():
        raise ConfigError(
            f"{str(path)!r} is signed, and adding an index would invalidate the signature; add it to the model that "
            "it was exported from, then export and sign again"
        )
    content = _indexed(index, kept_vectors.read(folder), _digest(folder))
    yield from kept(folder, INDEX)
    yield INDEX, content


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
    """The content of `fusion.json`.

    Args:
        by: Weight of each task in recommendations.

    Returns:
        JSON.
    """
    return json.dumps({"by": dict(by)}, indent=2).encode()


def load(path: str | Path, model: Model | None = None, *, indexed: bool = True) -> Saved:
    """Load a saved model.

    Args:
        path: The folder.
        model: A model of the same parts, which receives the weights; needed if a class of the saved model is not one
            of motet's.
        indexed: Whether to read the index, if there is one.

    Returns:
        The content. Events, embedding tables, item vectors and index are mapped from their files, which processes
        share; everything else is in memory. If `model` is given, it gets its own copy of the weights.

    Raises:
        ArtifactError: If the folder is damaged, incomplete, changed, or from a newer motet.
        ConfigError: If `model` is needed and not given, or has other users, items or parts.
    """
    folder, where = read_folder(path), str(path)
    if held(folder) is Kind.REPORT:
        raise ArtifactError(f"{where!r} holds a report and no saved model; check the path")
    for name in (MODEL, WEIGHTS, EVENTS, *SIDES):
        if not (folder / name).exists():  # its manifest does not list it either: a stranger wrote both
            raise ArtifactError(f"{name!r} in {where!r} is missing; {FIX}")
    document = read_document(folder, MODEL, where)
    log = read_log(folder, where, document)
    if model is not None:
        _check_entities(model, log)
        with reading(WEIGHTS, where):
            _load_weights(Mapped(folder / WEIGHTS).tensors, model)
    else:
        model = _rebuilt(folder, where, document, log)
    with reading(VECTORS, where):
        vectors = kept_vectors.read(folder)
    with reading(INDEX, where):
        at_hand = {} if vectors is None else {_digest(folder): vectors.rows[1:]}
        index = load_index(folder / INDEX, at_hand) if indexed and (folder / INDEX).exists() else None
    with reading(FUSION, where):
        by = dict(read_document(folder, FUSION, where)["by"]) if (folder / FUSION).exists() else None
    return Saved(model.eval(), log, vectors, index, by, folder)


def _rebuilt(folder: Path, path: str, document: Mapping[str, Any], log: EventLog) -> Model:
    """The declared model with the saved weights; it gets no larger than these, whatever the declaration says."""
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
    # What events and their context are encoded with.
    coded = {log.schema.event, *model.user.reads_context, *model.item.reads_context}
    document = {
        "schema": json.loads(schema.to_json()),
        "vocabs": {name: vocab.ids.to_list() for name, vocab in log.vocabs.items() if name in coded},
        "recents": log.recents,
        "model": describe(model),
        "parts": f"{parts[0]}({', '.join(parts[1:])})",
    }
    yield MODEL, json.dumps(document, indent=2).encode()
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    yield WEIGHTS, to_safetensors(state)
    for name, side in zip(SIDES, (log.users, log.items), strict=True):
        yield name, _parquet(side.table)
    yield EVENTS, tensors_to_bytes({name: log.columns[name].cpu().contiguous().clone() for name in schema.columns}, {})


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
    """Copy weights into a model, or assign them in place of its own."""
    for name, tensor in model.state_dict().items():
        if name in held and held[name].dtype != tensor.dtype:
            raise ConfigError(f"the saved weights {name!r} are {held[name].dtype}, and the model's are {tensor.dtype}")
    try:
        model.load_state_dict(held, assign=assign)
    except RuntimeError as error:
        differences = " ".join(line.strip() for line in str(error).splitlines()[1:])
        raise ConfigError(f"the saved weights do not fit the model: {differences}") from error
