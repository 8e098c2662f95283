"""Saved models as a service loads them."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ArtifactError
from motet.recommender import Recommender
from motet.serve.bodies import RecommendBody
from motet.serve.models import served as module
from motet.serve.models.served import ServedModel
from untrained import untrained


def test_a_model_whose_save_was_killed_between_its_two_renamings_is_served(
    recommender: Recommender, tmp_path: Path
) -> None:
    recommender.save(tmp_path / "films")
    whole = ServedModel.load(tmp_path / "films")
    (tmp_path / "films").rename(tmp_path / ".films.previous")
    assert ServedModel.load(tmp_path / "films").label == whole.label == {"name": "films", "version": whole.version}


@pytest.mark.parametrize("id", ["https://shop.example/" + "x" * 300, "\0"], ids=["long", "with a NUL"])
def test_a_model_may_have_ids_that_no_request_may_name(id: str) -> None:
    events = pl.DataFrame({"customer": [id, "x", "y"], "title": ["Alien", id, "Clue"]})
    model = ServedModel(untrained(EventLog.read(events, Schema(user="customer", item="title"))))
    model.warm()
    (answer,) = model.recommend(RecommendBody(user="x", exclude_seen=False), {})["results"]
    assert id in [item["id"] for item in answer["items"]]


def test_a_model_that_is_replaced_while_it_is_loaded_is_refused(
    recommender: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recommender.save(tmp_path / "films")
    read = module.read_card

    def replacing(*arguments: object) -> object:
        card = read(*arguments)  # type: ignore[arg-type]
        shutil.rmtree(tmp_path / "films")
        recommender.save(tmp_path / "films", run="{}")
        return card

    monkeypatch.setattr(module, "read_card", replacing)
    with pytest.raises(ArtifactError, match="films' was replaced while it was loaded; load it again"):
        ServedModel.load(tmp_path / "films")
