from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import tomlkit
import torch

from motet.compare.fingerprint import fingerprints
from motet.errors import ConfigError, DataError
from motet.project import Project
from motet.project.rewrite import rewrite
from motet.tasks import Rating, Retrieval

from .conftest import Tables


def project(folder: Path, tables: Tables, *changes: str) -> Project:
    path = folder / "shop.toml"
    path.write_text(tomlkit.dumps(tables))
    return Project.read(path, changes)


def test_the_file_makes_what_it_says(folder: Path, tables: Tables) -> None:
    found = project(folder, tables)
    log = found.log()
    rows = found.divide(log)
    model = found.model(rows.train)
    assert (len(log), len(rows.train), rows.validation) == (240, 180, None)
    assert rows.report.startswith("Random rows, seed 3: 180 to train on and 60 to test")
    assert [type(task) for task in model.tasks.values()] == [Retrieval, Rating]
    assert model.weights == {"retrieval": 2.0, "stars": 1.0}
    assert model.user.dim == 4


def test_the_same_file_gives_the_same_model(folder: Path, tables: Tables) -> None:
    first, second = (project(folder, tables).train(progress=False) for _ in range(2))
    other = project(folder, tables, "training.seed=9").train(progress=False)
    weights, again, different = (trained.model.state_dict() for trained in (first, second, other))
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert any(not torch.equal(weights[name], different[name]) for name in weights)
    assert first.report is not None
    assert second.report is not None
    assert first.report["stars/rmse"] == second.report["stars/rmse"]


def test_pretrained_vectors_come_from_a_file_beside_the_project(folder: Path, tables: Tables) -> None:
    log = project(folder, tables).log()
    ids = log.items.vocab.ids
    vectors = pl.DataFrame({log.items.key: ids, "x": range(len(ids)), "y": [1.5] * len(ids)})
    vectors.write_parquet(folder / "vectors.parquet")
    tower = {"kind": "PretrainedTower", "vectors": "vectors.parquet", "dim": 4}
    given = {**tables, "towers": {**tables.get("towers", {}), "item": tower}}
    found = project(folder, given, "training.epochs=1")
    held = found.train(progress=False).model.item.vectors
    assert held[1:].tolist() == [[float(number), 1.5] for number in range(len(ids))]
    before = fingerprints(found)
    assert "vectors of the item tower" in before
    (folder / "away").mkdir()
    rewrite(folder / "shop.toml", {}, output=folder / "away" / "shop.toml")
    moved = Project.read(folder / "away" / "shop.toml")
    assert fingerprints(moved) == before
    vectors.with_columns(y=pl.lit(2.5)).write_parquet(folder / "vectors.parquet")
    assert fingerprints(moved) != before
    (folder / "vectors.parquet").unlink()
    with pytest.raises(DataError, match=r"shop.toml \[towers.item\]: there is no file .*vectors.parquet"):
        found.model(log)


def test_the_test_rows_judge(folder: Path, tables: Tables) -> None:
    trained = project(folder, tables).train(progress=False)
    assert trained.report is not None
    notes = " ".join(trained.report.notes)
    assert "Random rows, seed 3" in notes
    assert "Training seed 0." in notes
    assert {"popularity", "global mean"} <= trained.report.beside.keys()
    assert trained.history.height == 2


def test_without_a_split_all_rows_train(folder: Path, tables: Tables) -> None:
    trained = project(folder, {**tables, "split": {"kind": "random", "test": 0.5}}, "training.epochs=1")
    assert len(trained.divide(trained.log()).train) == 120
    del tables["split"]
    whole = project(folder, tables, "training.epochs=1").train(progress=False)
    assert whole.report is None
    assert whole.rows.test is None
    assert len(whole.rows.train) == 240


def test_validation_and_early_stopping(folder: Path, tables: Tables) -> None:
    changes = ("validation.kind=random", "validation.test=.1", 'training.early_stopping={metric="stars/rmse"}')
    trained = project(folder, tables, *changes).train(progress=False)
    assert trained.rows.validation is not None
    assert (len(trained.rows.train), len(trained.rows.validation)) == (162, 18)
    assert "Validation rows: Random rows" in trained.rows.report
    assert "validation/stars/rmse" in trained.history.columns
    with pytest.raises(ConfigError, match=r"shop.toml \[training\]: early_stopping needs validation rows; add a table"):
        project(folder, tables, changes[-1])


def test_recent_items_are_a_table_too(folder: Path, tables: Tables) -> None:
    rows = project(folder, tables, "recent.length=3").divide(project(folder, tables).log())
    assert rows.test is not None
    assert rows.train.columns["recent"].shape == (180, 3)
    assert (rows.test.columns["recent"] > 0).any()


def test_a_preference_is_a_table_too(folder: Path, tables: Tables) -> None:
    found = project(folder, tables, "preference.spread=5")
    model = found.model(found.log())
    assert model.preference is not None
    assert model.preference.config() == {"spread": 5}
    assert project(folder, tables, "preference={}").model(found.log()).preference.spread == 30  # type: ignore[union-attr]
    with pytest.raises(
        ConfigError, match=r"shop.toml \[preference\]: 'spred' is not a setting of Preference; did you mean"
    ):
        project(folder, tables, "preference.spred=5")


def test_paths_start_from_the_folder_of_the_file(folder: Path, tables: Tables, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    tables["data"] = {"events": "../wide.parquet"}
    (tmp_path / "sub" / "a.toml").write_text(tomlkit.dumps(tables))
    found = Project.read(tmp_path / "sub" / "a.toml", ["training.checkpoint=steps", "training.epochs=1"])
    found.train(progress=False)
    assert (tmp_path / "sub" / "steps").exists()
    assert folder == tmp_path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("weights.star=1", r"^shop.toml: weights names 'star' \(1.0\), which is not a task; did you mean 'stars'"),
        ("tasks.2.label=retrieval", "^shop.toml: two tasks are called 'retrieval'"),
        ("towers.user.dim=8", "^shop.toml: task 'retrieval' takes the dot product of user and item vectors, and th"),
        ("towers.user.features=['age']", r"^shop.toml \[towers.user\]: .*'age'"),
        ("tasks.1.positives=clicked is 1", r"^shop.toml \[\[tasks\]\] 1: .*clicked is 1"),
    ],
)
def test_what_does_not_fit_names_the_file(folder: Path, tables: Tables, change: str, words: str) -> None:
    found = project(folder, tables, change)
    with pytest.raises(ConfigError, match=words):
        found.model(found.log())


def test_data_and_schema(folder: Path, tables: Tables) -> None:
    with pytest.raises(DataError, match=r"column 'usr' is not in wide.parquet"):
        project(folder, tables, "schema.user=usr").log()
    with pytest.raises(ConfigError, match=r"shop.toml \[schema\]: column 'day' has two roles"):
        project(folder, tables, "schema.item=day").log()
    found = project(folder, tables, "split={kind='leave_last_out', n=0}")
    with pytest.raises(ConfigError, match=r"shop.toml \[split\]: n=0 is out of range"):
        found.divide(found.log())
