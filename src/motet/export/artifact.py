"""export: from a saved model to one folder that can be checked, signed and served without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from motet.artifact.folder import check_free, read_folder, write_folder
from motet.artifact.saved import FUSION, REPORT, fusion, kept
from motet.errors import ConfigError
from motet.export import card as cards
from motet.export import serving
from motet.export.signing import signer
from motet.model import Model
from motet.recommender import Recommender

MADE = ("serving/", cards.CARD, cards.PAGE)  # what exporting an artifact makes anew


def export(
    path: str | Path,
    output: str | Path,
    *,
    model: Model | None = None,
    onnx: bool = True,
    sign: str | Path | None = None,
    by: Mapping[str, float] | None = None,
    report: str | None = None,
) -> None:
    """Write a saved model with its card and deployable forms; what stood at `output` stays whole until all is written.

    Equal models give equal artifacts, byte for byte. `Recommender.load` reads an artifact as it reads a saved model.

    Args:
        path: Of the saved model, or of an artifact to make anew.
        output: Of the artifact.
        model: Takes the saved weights, where a class of the model is not motet's own.
        onnx: Whether to add what onnxruntime serves the model with.
        sign: File of a private ed25519 key; see `signer`.
        by: What each task counts for in recommendations of the artifact, 0 where not named; as it is in the model where
            not given.
        report: HTML of how the model came to be, which a service shows; the one that the model has where not given.

    Raises:
        ArtifactError: If the saved model is damaged, or the disk full.
        ConfigError: If `output` is no place for it, the key is none, `by` names no task, or an extra is missing.
    """
    check_free(output)
    if Path(output).resolve().is_relative_to(Path(path).resolve()):
        raise ConfigError(f"the artifact {str(output)!r} would change the model it is made of; choose another folder")
    made = None if sign is None else signer(sign)
    recommender = Recommender.load(path, model=model)
    told = {}
    if by is not None:
        recommender.by = by
        told[FUSION] = fusion(by)
    if report is not None:
        told[REPORT] = report.encode()
    folder = read_folder(path)
    files = chain(kept(folder, *MADE, *told), told.items(), _added(recommender, folder, onnx=onnx))
    write_folder(output, files, made)


def _added(recommender: Recommender, folder: Path, *, onnx: bool) -> Iterator[tuple[str, bytes]]:
    told: dict[str, str] = {}
    for name, content in serving.files(recommender) if onnx else ():
        told[name] = serving.FILES[name]
        yield name, content
    card = cards.card(recommender, folder, told)
    yield cards.CARD, json.dumps(card, indent=2).encode()
    yield cards.PAGE, cards.markdown(card).encode()
