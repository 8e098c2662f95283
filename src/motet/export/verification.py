"""verify: check that an artifact is intact, who signed it, and that its programs agree with its model."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from motet.artifact.folder import SIGNATURE, read_folder
from motet.artifact.sealed import read_document
from motet.errors import ArtifactError, ConfigError
from motet.export import serving
from motet.export.onnx import TOLERANCE, check_equal, run
from motet.export.signing import check_signature
from motet.model import Model
from motet.recommender import Recommender

ROWS = 64  # random pairs for comparing programs and model


def verify(path: str | Path, *, key: str | Path | None = None, model: Model | None = None, seed: int = 0) -> list[str]:
    """Check an artifact or a saved model. Nothing but its graphs is run, and only after its checksums are verified.

    Args:
        path: The folder.
        key: File of the public ed25519 key it must be signed with; if not given, signatures are not checked.
        model: An untrained model to load the weights into; required if the saved model uses classes of your own.
        seed: Seed of the random users and items for comparing programs and model.

    Returns:
        What was verified and what could not be checked, one sentence each.

    Raises:
        ArtifactError: If a file was changed, added or removed, the format is newer, the weights do not match the
            declaration, the signature is missing or made with another key, or the files for serving without torch are
            incomplete or differ from the model, numbers by more than 1e-5.
        ConfigError: If the key file holds no key, or an extra is missing.
    """
    folder = read_folder(path)
    found = ["no file is missing, added or changed"]
    if key is not None:
        check_signature(folder, path, key)
        found.append(f"signed with the key of {str(key)!r}")
    elif (folder / SIGNATURE).exists():
        found.append("the signature was not checked: no key was given")
    try:
        recommender = Recommender.load(path, model=model)
    except ConfigError as error:
        if model is not None or "pass it: load" not in str(error):
            raise
        return [*found, "the weights were not checked: the model uses a class that is not part of motet"]
    found.append("the weights match the declaration")
    if not any((folder / name).exists() for name in serving.FILES):
        return [*found, "there are no programs"]
    for name in (serving.USER, serving.RANK):
        if not (folder / name).exists():
            raise _missing(name, path)
    _check_arrays(recommender, folder, path)
    _check_documents(recommender, folder, path)
    found.append("ids, vectors and seen items for serving are those of the model")
    if find_spec("onnxruntime") is None:
        return [*found, "the programs were not run: pip install 'motet[onnx]'"]
    _compare(recommender, folder, seed)
    return [*found, "the programs agree with the model within 1e-5"]


def _compare(recommender: Recommender, folder: Path, seed: int) -> None:
    """Compare programs and model on the same random users and items."""
    scorer, model = recommender.scorer, recommender.model
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, len(recommender.users), (ROWS,), generator=generator)
    items = torch.randint(0, len(recommender.items), (ROWS,), generator=generator)
    told = None if model.preference is None else -torch.rand(len(model.tasks), generator=generator)
    feeds = {"user": rows.numpy()} | ({} if told is None else {"preference": told.numpy()})
    found = run(serving.USER, (folder / serving.USER).read_bytes(), feeds)
    eager = serving.asked(scorer, rows, told)
    check_equal(serving.USER, found, eager.items())
    pairs = (eager["vector"].cpu(), scorer.items[items].cpu(), rows, items)
    feeds = {name: values.numpy() for name, values in zip(serving.PAIR, pairs, strict=True)}
    scores = run(serving.RANK, (folder / serving.RANK).read_bytes(), feeds)
    check_equal(serving.RANK, scores, serving.scored(scorer, eager["vector"], rows, items).items())


def _check_arrays(recommender: Recommender, folder: Path, path: str | Path) -> None:
    """Compare the arrays with those that an export of the model writes."""
    for name, expected in serving.arrays(recommender):
        if not (folder / name).exists():
            raise _missing(name, path)
        if not _holds(folder / name, expected):
            raise _of_another(name, path)


def _holds(file: Path, expected: npt.NDArray[Any]) -> bool:
    """Whether a file holds an array; vectors may differ by the rounding of another processor."""
    try:
        here = np.lib.format.open_memmap(file, mode="r")  # unpickles nothing
    except Exception:  # anybody may have written it, and numpy's errors have no common base class
        return False
    if here.dtype != expected.dtype or here.shape != expected.shape:
        return False
    if expected.dtype.kind != "f":
        return np.array_equal(here, expected)
    return np.allclose(here, expected, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)


def _check_documents(recommender: Recommender, folder: Path, path: str | Path) -> None:
    """Compare the documents with those that an export of the model writes."""
    for name, expected in serving.documents(recommender).items():
        if not (folder / name).exists():
            raise _missing(name, path)
        here = read_document(folder, name, str(path))
        if name == serving.ABOUT:
            here.pop(serving.USER_IS, None)
        if here != expected:
            raise _of_another(name, path)


def _missing(name: str, path: str | Path) -> ArtifactError:
    return ArtifactError(f"{name!r} in {str(path)!r} is missing; export again")


def _of_another(name: str, path: str | Path) -> ArtifactError:
    return ArtifactError(f"{name!r} in {str(path)!r} is not what an export of this model writes; export again")
