from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from motet import index
from motet.errors import ConfigError
from motet.index import ApproximateIndex, ExactIndex, approximate
from motet.model import Model
from motet.recommender import Recommender
from motet.tasks import Rating
from motet.towers import FeatureTower

from .conftest import Run, shop


@pytest.fixture
def model(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A saved model with nothing beside it, and codes for its dozen items, repeated."""
    monkeypatch.setattr(approximate, "FEWEST", 16)
    return Path(shutil.copytree(saved, tmp_path / "model"))


def test_an_index_is_written_beside_the_model_and_used(motet: Run, model: Path) -> None:
    before = Recommender.load(model).recommend(3, 5)
    ran = motet("index", model, "--recall", "1", "-k", 5, "--json")
    assert (ran.code, ran.err) == (0, "")
    told = json.loads(ran.out)
    assert told["index"] == str(index.beside(model))
    assert told["recall"] == 1
    assert told["items"] == 12
    again = Recommender.load(model)
    assert isinstance(again.ranker.index, ApproximateIndex)
    assert again.recommend(3, 5).ids.tolist() == before.ids.tolist()


def test_check_says_what_is_there(motet: Run, model: Path) -> None:
    assert "No index beside the model: searches are exact.\n" in motet("index", model, "--check", "-k", 3).out
    assert not index.beside(model).exists()
    motet("index", model)
    ran = motet("index", model, "--check", "-k", 3)
    assert ran.out.startswith("model.index.safetensors\n12 items · recall@3 1.000 · p50 ")


def test_an_index_of_other_weights_is_refused(motet: Run, model: Path) -> None:
    index.save(ExactIndex(torch.randn(12, 3)), index.beside(model))
    ran = motet("recommend", model, 3)
    assert ran.code == 2
    assert "that are not those of the model's 12 items; make it anew: motet index MODEL" in ran.err
    assert motet("index", model).code == 0
    assert motet("recommend", model, 3).code == 0
    vectors = index.load(index.beside(model)).vectors.clone()
    vectors[5, 0] += 1
    index.save(ApproximateIndex(vectors), index.beside(model))
    with pytest.raises(ConfigError, match=r"the index holds 12 vectors \d wide that are not those"):
        Recommender.load(model)


def test_a_model_that_retrieves_nothing_has_no_index(motet: Run, tmp_path: Path) -> None:
    log = shop()
    model = Model(user=FeatureTower(log.users, dim=2), item=FeatureTower(log.items, dim=2), tasks=[Rating("stars")])
    Recommender(model, log).save(tmp_path / "model")
    ran = motet("index", tmp_path / "model")
    assert ran.code == 2
    assert "the model has no task that retrieves, and so no vectors to index" in ran.err
