"""export: from a saved model to one folder that can be checked, signed and served without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from motet.artifact.folder import check_free, read_folder, write_folder
from motet.artifact.saved import RUN, kept
from motet.errors import ConfigError
from motet.export import card as cards
from motet.export import serving
from motet.export.signing import signer
from motet.model import Model
from motet.recommender import Recommender

CARD, PAGE = "card.json", "card.md"
MADE = ("serving/", CARD, PAGE)  # what exporting an artifact makes anew


def export(
    path: str | Path,
    output: str | Path,
    *,
    model: Model | None = None,
    onnx: bool = True,
    sign: str | Path | None = None,
) -> None:
    """Write a saved model with its card and deployable forms; what stood at `output` stays whole until all is written.

    Equal models give equal artifacts, byte for byte. `Recommender.load` reads an artifact as it reads a saved model.

    Args:
        path: Of the saved model, or of an artifact to make anew.
        output: Of the artifact.
        model: Takes the saved weights, where a class of the model is not motet's own.
        onnx: Whether to add what onnxruntime serves the model with.
        sign: File of a private ed25519 key; see `signer`.

    Raises:
        ArtifactError: If the saved model is damaged, or the disk full.
        ConfigError: If `output` is no place for it, the key is none, or an extra is missing.
    """
    check_free(output)
    if Path(path).resolve() == Path(output).resolve():
        raise ConfigError(f"the artifact {str(output)!r} would replace the model it is made of; choose another folder")
    made = None if sign is None else signer(sign)
    recommender = Recommender.load(path, model=model)
    folder = read_folder(path)
    run = json.loads((folder / RUN).read_bytes()) if (folder / RUN).exists() else {}
    write_folder(output, chain(kept(folder, *MADE), _added(recommender, folder, run, onnx=onnx)), made)


def _added(
    recommender: Recommender, folder: Path, run: Mapping[str, Any], *, onnx: bool
) -> Iterator[tuple[str, bytes]]:
    told: dict[str, str] = {}
    for name, content in serving.files(recommender) if onnx else ():
        told[name] = serving.FILES[name]
        yield name, content
    card = cards.card(recommender, folder, run, told)
    yield CARD, json.dumps(card, indent=2).encode()
    yield PAGE, cards.markdown(card).encode()
