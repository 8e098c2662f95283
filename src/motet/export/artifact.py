"""export: turn a saved model into a folder that can be verified, signed and served without torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from motet.artifact.folder import Kind, check_free, fingerprint, read_folder, write_folder
from motet.artifact.saved import FUSION, REPORT, fusion, kept
from motet.errors import ConfigError
from motet.export import card as cards
from motet.export import serving
from motet.export.signing import signer
from motet.model import Model
from motet.recommender import Recommender

MADE = ("serving/", cards.CARD, cards.PAGE)  # written again by every export


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
    """Write a saved model together with its card and deployable files. An existing artifact is replaced atomically.

    Equal models give artifacts that are equal byte for byte. `Recommender.load` reads an artifact like a saved model.

    Args:
        path: The saved model, or an artifact to export again.
        output: The folder of the artifact.
        model: An untrained model to load the weights into; required if the saved model uses classes of your own.
        onnx: Whether to add the files for onnxruntime.
        sign: File with a private ed25519 key; see `signer`.
        by: Weight of each task in recommendations, 0 for tasks not named; by default those of the saved model.
        report: HTML report of the training, which a service shows; by default that of the saved model.

    Raises:
        ArtifactError: If the saved model is damaged, or the disk is full.
        ConfigError: If `output` cannot be used, another model was saved to `path` meanwhile, the key file holds no key,
            `by` names an unknown task, or an extra is missing.
    """
    if Path(output).resolve().is_relative_to(Path(path).resolve()):
        raise ConfigError(
            f"the artifact {str(output)!r} would overwrite the model it is made from; choose another folder"
        )
    check_free(output, Kind.ARTIFACT)
    made = None if sign is None else signer(sign)
    was = fingerprint(path)
    recommender = Recommender.load(path, model=model)
    told = {}
    if by is not None:
        recommender.by = by
        told[FUSION] = fusion(by)
    if report is not None:
        told[REPORT] = report.encode()
    folder = read_folder(path)
    files = chain(kept(folder, *MADE, *told), told.items(), _added(recommender, folder, onnx=onnx), _nothing(path, was))
    write_folder(output, files, made, kind=Kind.ARTIFACT)


def _nothing(path: str | Path, was: str) -> Iterator[tuple[str, bytes]]:
    """No file, but an error if the files before are not all of one model."""
    if fingerprint(path) != was:
        raise ConfigError(f"another model was saved to {str(path)!r} while it was exported; export it again")
    yield from ()


def _added(recommender: Recommender, folder: Path, *, onnx: bool) -> Iterator[tuple[str, bytes]]:
    told: dict[str, str] = {}
    for name, content in serving.files(recommender) if onnx else ():
        told[name] = serving.FILES[name]
        yield name, content
    card = cards.card(recommender, folder, told)
    yield cards.CARD, json.dumps(card, indent=2).encode()
    yield cards.PAGE, cards.markdown(card).encode()
