from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from motet.artifact import saved as artifacts
from motet.artifact.folder import write_folder
from motet.data.pair_features import PairFeatures
from motet.data.schema import Schema
from motet.errors import ArtifactError
from motet.export import export
from motet.index import ApproximateIndex, ExactIndex, approximate, check
from motet.model import Model
from motet.recommender import Recommender
from motet.tasks import Event, Rating, Retrieval, WithContext
from motet.towers import FeatureTower

from .conftest import Run, shop


@pytest.fixture
def model(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A saved model without an index, and codes for its dozen items, repeated."""
    monkeypatch.setattr(approximate, "FEWEST", 16)
    return Path(shutil.copytree(saved, tmp_path / "model"))


def test_an_index_is_put_into_the_model_and_used(motet: Run, model: Path) -> None:
    before = Recommender.load(model).recommend(3, 5)
    ran = motet("index", model, "--recall", "1", "-k", 5, "--json")
    assert (ran.code, ran.err) == (0, "")
    told = json.loads(ran.out)
    assert told["index"] == str(model / "index.safetensors")
    assert told["recall"] == 1
    assert told["items"] == 12
    again = Recommender.load(model)
    assert isinstance(again.ranker.index, ApproximateIndex)
    assert again.recommend(3, 5).ids.tolist() == before.ids.tolist()


def test_another_model_saved_meanwhile_stays_as_it_is(motet: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, build = Recommender.load(model), check.fitted
    other.by = {"retrieval": 3.0}

    def slowly(*args: Any, **kwargs: Any) -> ApproximateIndex:
        other.save(model)
        return build(*args, **kwargs)

    monkeypatch.setattr(check, "fitted", slowly)
    ran = motet("index", model)
    assert ran.code == 2
    assert f"another model was saved to {str(model)!r} while the index was built; build it again" in ran.err
    assert Recommender.load(model).by["retrieval"] == 3.0
    assert not (model / "index.safetensors").exists()


def test_check_says_what_is_there(motet: Run, model: Path) -> None:
    assert "The model has no index: searches are exact.\n" in motet("index", model, "--check", "-k", 3).out
    assert not (model / "index.safetensors").exists()
    motet("index", model)
    motet("index", model)  # takes the place of the first
    ran = motet("index", model, "--check", "-k", 3)
    assert ran.out.startswith(f"{model / 'index.safetensors'}\n12 items · recall@3 1.000 · p50 ")


def test_a_model_whose_heads_read_context_can_be_indexed(motet: Run, model: Path, tmp_path: Path) -> None:
    found = Recommender.load(model)
    events = found.log.frame().with_columns(event=pl.lit("view"))
    log = found.log.encode(events, schema=Schema(user="customer", item="title", event="event"))
    context = PairFeatures(log)
    tasks = [Retrieval(), WithContext(Event("bought"), context.names)]
    joint = Model(user=FeatureTower(log.users, dim=4), item=FeatureTower(log.items, dim=4), tasks=tasks)
    Recommender(joint, log, context=context, seen="event == 'view'").save(tmp_path / "joint")
    assert motet("index", tmp_path / "joint", "-k", 3).code == 0
    assert Recommender.load(tmp_path / "joint").retrieval.seen == "event == 'view'"
    assert isinstance(Recommender.load(tmp_path / "joint").ranker.index, ApproximateIndex)
    assert isinstance(Recommender.load(tmp_path / "joint", indexed=False).ranker.index, ExactIndex)


def test_an_index_travels_with_the_model(motet: Run, model: Path, tmp_path: Path) -> None:
    motet("index", model)
    Recommender.load(model).save(tmp_path / "copy")
    export(model, tmp_path / "artifact", onnx=False)
    for path in (tmp_path / "copy", tmp_path / "artifact"):
        assert isinstance(Recommender.load(path).ranker.index, ApproximateIndex)


def test_a_signed_model_keeps_its_signature(motet: Run, model: Path) -> None:
    write_folder(model, list(artifacts.kept(model)), lambda _: {"signature": "of its owner"})
    ran = motet("index", model)
    assert ran.code == 2
    assert "is signed, and adding an index would invalidate the signature; add it to the model that it was" in ran.err
    assert (model / "manifest.sig").exists()


def test_an_index_of_other_weights_is_refused(motet: Run, model: Path) -> None:
    artifacts.put_index(model, ExactIndex(torch.randn(12, 3)))
    ran = motet("recommend", model, 3)
    assert ran.code == 2
    assert (
        f"'index.safetensors' in {str(model)!r} is of other weights: the index holds 12 vectors of width 3" in ran.err
    )
    assert "build it again: motet index MODEL" in ran.err
    assert motet("index", model).code == 0
    assert motet("recommend", model, 3).code == 0
    vectors = Recommender.load(model).ranker.index.vectors.clone()
    vectors[5, 0] += 1
    artifacts.put_index(model, ApproximateIndex(vectors))
    with pytest.raises(ArtifactError, match=r"the index holds 12 vectors of width \d, which differ"):
        Recommender.load(model)


def test_an_index_that_cannot_be_read_is_replaced(motet: Run, model: Path) -> None:
    files = [(file.name, file.read_bytes()) for file in model.iterdir() if file.name != "manifest.json"]
    write_folder(model, [*files, (artifacts.INDEX, b"of another version")])
    ran = motet("index", model, "--check")
    assert (ran.code, "'index.safetensors'" in ran.err) == (2, True)
    assert motet("index", model).code == 0
    assert motet("recommend", model, 3).code == 0


def test_a_model_that_retrieves_nothing_has_no_index(motet: Run, tmp_path: Path) -> None:
    log = shop()
    model = Model(user=FeatureTower(log.users, dim=2), item=FeatureTower(log.items, dim=2), tasks=[Rating("stars")])
    Recommender(model, log).save(tmp_path / "model")
    ran = motet("index", tmp_path / "model")
    assert ran.code == 2
    assert "the model has no task that retrieves, and so no vectors to index" in ran.err
