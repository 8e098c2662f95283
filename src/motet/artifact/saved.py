"""Save and load: a model and what is needed to serve it, as files that need no pickle.

| file | holds |
|---|---|
| `manifest.json` | format, version, size and checksum of every other file |
| `model.json` | schema, towers, tasks, weights of the tasks |
| `model.safetensors` | parameters and buffers |
| `users.parquet`, `items.parquet` | ids in the order of their rows, and the tables as they were read |
| `events.parquet` | user row, item row, time and signals of every training event |
| `fusion.json` | what each task counts for in recommendations; only where that is not what its loss counted for |
| `index.safetensors` | the index of the item vectors; only where one was made |
| `report.html` | what `motet report` says of the training; only where it was put in |
| `retrieval.json`, `neighbours.safetensors` | what counts as seen and where candidates come from; only where said |
| `run.json` | how the model came to be and how good it is, for `motet report`; only where that was given |
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
from safetensors import safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors

from motet.artifact.declaration import Within, describe, rebuild
from motet.artifact.folder import MANIFEST, SIGNATURE, read_folder, write_folder
from motet.artifact.reading import EVENTS, MODEL, SIDES, read_log, reading
from motet.artifact.sealed import read_document
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.index import ApproximateIndex, ExactIndex
from motet.index import load as load_index
from motet.index.stored import to_bytes
from motet.model import Model

WEIGHTS, INDEX = "model.safetensors", "index.safetensors"
RUN, FUSION, REPORT = "run.json", "fusion.json", "report.html"


@dataclass(frozen=True)
class Saved:
    """What a folder holds.

    Attributes:
        model: In evaluation mode.
        log: The training log less its context, which no request has.
        index: Of the item vectors; None where none was made.
        by: What each task counts for in recommendations; None where that is what its loss counted for.
        folder: Where the files lie, checked against the manifest.
    """

    model: Model
    log: EventLog
    index: ExactIndex | ApproximateIndex | None
    by: Mapping[str, Any] | None
    folder: Path


def save(
    path: str | Path,
    model: Model,
    log: EventLog,
    run: str = "",
    *,
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
    if index is not None:
        told.append((INDEX, to_bytes(index)))
    write_folder(path, chain(_files(model, log), told, more))


def kept(folder: Path, *less: str) -> Iterator[tuple[str, bytes]]:
    """The files of a saved model, to be written again.

    Args:
        folder: Where they lie, already checked against their manifest.
        *less: Beginnings of the names of those that are left out.

    Yields:
        Names and contents.
    """
    for name in json.loads((folder / MANIFEST).read_bytes())["files"]:
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
    write_folder(path, chain(kept(folder, INDEX), [(INDEX, to_bytes(index))]))


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
        What it holds. The vectors of the index stay in their file, so that several processes share one copy.

    Raises:
        ArtifactError: If the folder is damaged, incomplete, changed, or from a newer motet.
        ConfigError: If a model has to be given, or the one given has other users, items or parts.
    """
    folder, where = read_folder(path), str(path)
    document = read_document(folder, MODEL, where)
    log = read_log(folder, where, document)
    if model is not None:
        _check_entities(model, log)
        _load_weights(folder / WEIGHTS, model)
    else:
        model = _rebuilt(folder, where, document, log)
    with reading(INDEX, where):
        index = load_index(folder / INDEX) if (folder / INDEX).exists() else None
    with reading(FUSION, where):
        by = dict(read_document(folder, FUSION, where)["by"]) if (folder / FUSION).exists() else None
    return Saved(model.eval(), log, index, by, folder)


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
    with reading(WEIGHTS, path), safe_open(file, "pt") as held:
        tensors = len(held.keys())
    with reading(MODEL, path), Within(weights=file.stat().st_size, tensors=tensors):
        model = rebuild(declared, log.users, log.items)
    with reading(WEIGHTS, path):
        _load_weights(file, model)
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


def _load_weights(file: Path, model: Model) -> None:
    held = load_file(file)
    for name, tensor in model.state_dict().items():
        if name in held and held[name].dtype != tensor.dtype:
            raise ConfigError(f"the saved weights {name!r} are {held[name].dtype}, and the model's are {tensor.dtype}")
    try:
        model.load_state_dict(held)
    except RuntimeError as error:
        differences = " ".join(line.strip() for line in str(error).splitlines()[1:])
        raise ConfigError(f"the saved weights do not fit the model: {differences}") from error
