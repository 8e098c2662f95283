"""Files with which a process serves a model with onnxruntime and numpy alone, without torch."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from motet.data.batch import Batch
from motet.errors import ConfigError
from motet.export.card import FUSION
from motet.export.onnx import to_onnx
from motet.export.programs import programs
from motet.recommender import Recommender
from motet.scorer import Scorer

USER, RANK, ABOUT = "serving/user.onnx", "serving/rank.onnx", "serving/serving.json"
USER_IS = "user"  # key of `ABOUT` that says whether the user program runs the tower or looks vectors up
PAIR = ("user_vector", "item_vector", "user", "item")
FILES = {
    USER: "program from user rows to vectors and queries",
    RANK: "program from vectors and rows of pairs to the score of every task",
    "serving/vectors.npy": "item vectors, by row; row 0 is the unknown item",
    "serving/candidates.npy": "item vectors to multiply with queries, by row",
    "serving/seen.npy": "rows of the items seen by each user, one user after the other",
    "serving/seen_ends.npy": "end of each user's items in seen.npy, by row",
    "serving/ids.json": "ids of users and items, from row 1 on",
    ABOUT: "names of outputs, fusion weights, tasks of a preference",
}


def score_names(scorer: Scorer) -> list[str]:
    """Names of the outputs of the ranking program. The prefix keeps them distinct from its inputs.

    Args:
        scorer: The model's scorer.

    Returns:
        One name for each task.
    """
    return [f"score/{name}" for name in scorer.model.tasks]


def files(recommender: Recommender) -> Iterator[tuple[str, bytes]]:
    """Make all files of `serving/`.

    Args:
        recommender: The model and its log.

    Yields:
        Names and contents.

    Raises:
        ConfigError: If the extra `onnx` is not installed, or the recommender has `retrieve=` or `context=`.
    """
    scorer, model = recommender.scorer, recommender.model
    if recommender.retrieval.stages or scorer.context is not None:
        raise ConfigError(
            "only motet can serve a recommender with retrieve=... or context=...: the programs for onnxruntime do not "
            "contain these steps; export without them: onnx=False, or --no-onnx"
        )
    traced = programs(scorer)
    asked = ["user"] if model.preference is None else ["user", "preference"]
    given = ["vector"] if scorer.corpus is None else ["vector", "query"]
    yield USER, to_onnx(traced.user, asked, given)
    yield RANK, to_onnx(traced.rank, PAIR, score_names(scorer))
    for name, values in arrays(recommender):
        stream = io.BytesIO()
        np.save(stream, values, allow_pickle=False)
        yield name, stream.getvalue()
    told = documents(recommender)
    told[ABOUT][USER_IS] = traced.table or "tower"
    for name, document in told.items():
        yield name, json.dumps(document).encode()


def arrays(recommender: Recommender) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Make the arrays of `serving/`.

    Args:
        recommender: The model and its log.

    Yields:
        Names and arrays.
    """
    scorer, seen = recommender.scorer, recommender.fold_in.seen
    yield "serving/vectors.npy", _array(scorer.items)
    if scorer.corpus is not None:
        yield "serving/candidates.npy", _array(scorer.candidates())
    yield "serving/seen.npy", _array(seen.items)
    yield "serving/seen_ends.npy", _array(seen.starts[1:])


def documents(recommender: Recommender) -> dict[str, dict[str, Any]]:
    """Make the documents of `serving/`, without what `ABOUT` says about the user program.

    Args:
        recommender: The model and its log.

    Returns:
        Documents by name.
    """
    model = recommender.model
    about = {
        "scores": dict(zip(model.tasks, score_names(recommender.scorer), strict=True)),
        "fusion": {"method": FUSION, "weights": dict(recommender.by)},
        "preference": None if model.preference is None else list(model.tasks),
    }
    ids = {"users": recommender.users.vocab.ids.to_list(), "items": recommender.items.vocab.ids.to_list()}
    return {"serving/ids.json": ids, ABOUT: about}


@torch.no_grad()
def asked(scorer: Scorer, rows: Tensor, told: Tensor | None) -> dict[str, Tensor]:
    """The expected outputs of the user program, computed by the model.

    Args:
        scorer: The model's scorer.
        rows: User rows.
        told: A preference, if the model takes one.

    Returns:
        Outputs by name.
    """
    vectors = scorer.preferring(scorer.users(rows), told)
    if scorer.corpus is None:
        return {"vector": vectors}
    batch = Batch({scorer.keys[0]: rows.to(scorer.device)}, *scorer.keys, preference=told)
    return {"vector": vectors, "query": scorer.corpus.queries(vectors, batch)}


@torch.no_grad()
def scored(scorer: Scorer, vectors: Tensor, rows: Tensor, items: Tensor) -> dict[str, Tensor]:
    """The expected outputs of the ranking program, computed by the model.

    Args:
        scorer: The model's scorer.
        vectors: User vector of each pair.
        rows: User row of each pair.
        items: Item row of each pair.

    Returns:
        Outputs by name.
    """
    batch = Batch(dict(zip(scorer.keys, (rows, items), strict=True)), *scorer.keys)
    found = scorer.model.score_vectors(vectors, scorer.items[items], batch)
    return dict(zip(score_names(scorer), found.values(), strict=True))


def _array(values: Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = values.detach().cpu().numpy()
    return array
