"""Save and load the settings of a recommender beyond its model: what counts as seen, pair features, retrievers.

| file | holds |
|---|---|
| `retrieval.json` | the condition for seen items, the event types of the pair features, the stages |
| `neighbours.safetensors` | the neighbours that these refer to by number, if any |
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from motet.artifact.sealed import read_document
from motet.data.log import EventLog
from motet.data.neighbours import Neighbours
from motet.data.pair_features import PairFeatures
from motet.errors import ConfigError
from motet.retrievers.alike import Alike
from motet.retrievers.base import Retriever
from motet.retrievers.chosen import chosen
from motet.retrievers.stages import Source
from motet.retrievers.touched import Touched

FILE, NEIGHBOURS = "retrieval.json", "neighbours.safetensors"
KINDS: dict[str, type[Retriever]] = {"Alike": Alike, "Touched": Touched}


class Retrieval(NamedTuple):
    """The settings of a recommender.

    Attributes:
        seen: The rows that exclude an item from a user's recommendations; None for all.
        context: The columns that `WithContext` tasks read of a user with an item.
        stages: The sources of candidates; if empty, the first task that ranks the catalogue.
    """

    seen: str | None = None
    context: PairFeatures | None = None
    stages: Sequence[Sequence[Source]] = ()


def files(given: Retrieval) -> Iterator[tuple[str, bytes]]:
    """The files that `read` reads.

    Args:
        given: The settings of the recommender.

    Yields:
        File names and contents; nothing if all settings are the defaults.

    Raises:
        ConfigError: If a retriever's class is not part of motet.
    """
    from safetensors.torch import save as to_bytes

    if given == Retrieval():
        return
    held: list[Neighbours] = []
    document = {
        "seen": given.seen,
        "near": None
        if given.context is None
        else {kind: _put(near, held) for kind, near in given.context.near.items()},
        "stages": [[_told(source, held) for source in stage] for stage in given.stages],
    }
    yield FILE, json.dumps(document, indent=2).encode()
    tensors: dict[str, Tensor] = {}
    for number, near in enumerate(held):
        tensors |= {f"{number}.pairs": near.pairs, f"{number}.similarities": near.similarities}
    if tensors:
        yield NEIGHBOURS, to_bytes(tensors)


def read(folder: Path, log: EventLog) -> Retrieval:
    """Read the settings from a folder that was checked against its manifest.

    Args:
        folder: The folder of the saved model.
        log: The log of the recommender.

    Returns:
        The settings of the recommender.

    Raises:
        ArtifactError: If `retrieval.json` is not JSON.
        ConfigError: If a condition has a syntax error.
        ValueError: If the neighbours are malformed, or not those of this log's items.
    """
    from safetensors.torch import load_file

    if not (folder / FILE).exists():
        return Retrieval()
    document = read_document(folder, FILE, str(folder))
    tensors = load_file(folder / NEIGHBOURS) if (folder / NEIGHBOURS).exists() else {}
    held = [
        _near(tensors[f"{number}.pairs"], tensors[f"{number}.similarities"], len(log.items))
        for number in range(len(tensors) // 2)
    ]
    near = document["near"]
    context = None if near is None else PairFeatures(log, near={kind: held[number] for kind, number in near.items()})
    stages = tuple(tuple(_made(source, held) for source in stage) for stage in document["stages"])
    for where in (document["seen"], *(getattr(source, "where", None) for stage in stages for source in stage)):
        chosen(log.take(slice(0, 1)), where)  # report a bad condition here, where its file is known
    return Retrieval(document["seen"], context, stages)


def _near(pairs: Tensor, similarities: Tensor, items: int) -> Neighbours:
    """Neighbours from tensors that are checked first, since anyone may have written the file."""
    alike = pairs.ndim == 1 and pairs.shape == similarities.shape and pairs.dtype == torch.int64
    if not alike or not similarities.is_floating_point() or not similarities.isfinite().all():
        raise ValueError("its neighbours are not pairs of whole numbers, each with a similarity")
    if len(pairs) and not (pairs[0] >= 0 and pairs[-1] < items * items and (pairs.diff() > 0).all()):
        raise ValueError(f"its neighbours are not ascending pairs of {items - 1:,} items")
    return Neighbours(pairs, similarities, items)


def _told(source: Source, held: list[Neighbours]) -> str | dict[str, Any]:
    if isinstance(source, str):
        return source
    name = type(source).__name__
    if KINDS.get(name) is not type(source):
        raise ConfigError(
            f"{name} is not one of motet's own retrievers, and loading a model runs no code from it; save "
            "Recommender(model, log) without it, and pass your retriever again after loading"
        )
    config = {
        key: _put(value, held) if isinstance(value, Neighbours) else value for key, value in source.config().items()
    }
    return {"class": name, **config}


def _made(source: str | dict[str, Any], held: Sequence[Neighbours]) -> Source:
    if isinstance(source, str):
        return source
    config = {key: held[value] if key == "near" else value for key, value in source.items() if key != "class"}
    return KINDS[source["class"]](**config)


def _put(near: Neighbours, held: list[Neighbours]) -> int:
    """The number of these neighbours in `held`, where each appears once."""
    for number, other in enumerate(held):
        if other is near:
            return number
    held.append(near)
    return len(held) - 1
