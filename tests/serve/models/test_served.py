"""Saved models as a service loads them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from motet.errors import ArtifactError
from motet.recommender import Recommender
from motet.serve.models import served as module
from motet.serve.models.served import ServedModel


def test_a_model_whose_save_was_killed_between_its_two_renamings_is_served(
    recommender: Recommender, tmp_path: Path
) -> None:
    recommender.save(tmp_path / "films")
    whole = ServedModel.load(tmp_path / "films")
    (tmp_path / "films").rename(tmp_path / ".films.previous")
    assert ServedModel.load(tmp_path / "films").label == whole.label == {"name": "films", "version": whole.version}


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
