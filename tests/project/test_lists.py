"""The table that draws lists from the training rows: the same as in Python, mixed with the events or alone."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch

from motet.compare.systems import seeds
from motet.data.lists import sample_lists
from motet.data.mix import Mix
from motet.errors import ConfigError, DataError
from motet.project import Project, check
from motet.train import fit

from .conftest import Tables

LISTS = {"lists_per_user": 2, "items_per_list": 3, "seed": 5, "where": "stars >= 1"}


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """A project that ranks the rows of a user; one row in five has no label."""
    generator = torch.Generator().manual_seed(4)
    columns = {"user_id": 20, "item_id": 12, "stars": 5}
    rows = {name: torch.randint(0, size, (300,), generator=generator).tolist() for name, size in columns.items()}
    log = pl.DataFrame(rows).with_columns(stars=pl.when(pl.col("stars") > 0).then("stars"))
    log.write_csv(tmp_path / "log.csv")
    tower = {"kind": "FeatureTower", "dim": 4}
    return {
        "data": {"events": "log.csv"},
        "schema": {"signals": ["stars"]},
        "split": {"kind": "random", "test": 0.2},
        "lists": LISTS,
        "towers": {"user": tower, "item": tower},
        "tasks": [{"kind": "Listwise", "label": "stars", "by": "list", "hidden": [4]}],
        "training": {"epochs": 2, "batch_size": 30, "seed": 3},
    }


def project(tables: Tables, folder: Path, **changes: object) -> Project:
    return Project({**tables, **changes}, file=folder / "shop.toml")


def test_lists_alone_train_the_model_of_python(tables: Tables, tmp_path: Path) -> None:
    declared = project(tables, tmp_path)
    trained = declared.train(progress=False)

    train = trained.rows.train
    lists = sample_lists(train, **LISTS)  # type: ignore[arg-type]
    model = declared.model(train)
    fit(model, lists, epochs=2, batch_size=30, seed=3, progress=False)

    assert "list" not in train.columns
    assert trained.rows.lists is not None
    assert trained.rows.lists.columns["stars"].isfinite().all()
    for name, weights in trained.model.state_dict().items():
        assert torch.equal(weights, model.state_dict()[name])
    assert trained.report is not None
    assert "stars/list_ndcg@10" in trained.report


def test_lists_are_mixed_with_the_events_for_other_tasks(tables: Tables, tmp_path: Path) -> None:
    tasks = [*tables["tasks"], {"kind": "Retrieval"}]
    declared = project(tables, tmp_path, tasks=tasks, lists={**LISTS, "ratio": 0.5})
    rows = declared.divide(declared.log())
    mix = declared.mix(declared.model(rows.train), rows)

    assert isinstance(mix, Mix)
    assert mix.ratio == (1.0, 0.5)
    events, lists = mix.logs
    assert "list" not in events.columns
    assert lists.together == 3
    assert len(lists) == 2 * 3 * len(lists.columns["user_id"].unique())


def test_check_counts_the_lists_and_says_who_learns_from_them(tables: Tables, tmp_path: Path) -> None:
    found = check(project(tables, tmp_path))
    assert any("40 lists of 3 rows are drawn from the training rows of 20 users" in fact for fact in found.facts)
    assert not any("list" in warning for warning in found.warnings)

    found = check(project(tables, tmp_path, tasks=[*tables["tasks"], {"kind": "Retrieval"}]))
    assert any("the lists train 'retrieval' as well" in warning for warning in found.warnings)

    found = check(project(tables, tmp_path, tasks=[{"kind": "Listwise", "label": "stars"}]))
    assert any('no task reads the lists; give a Listwise by = "list"' in warning for warning in found.warnings)


def test_each_seed_draws_other_lists(tables: Tables, tmp_path: Path) -> None:
    drawn = seeds(project(tables, tmp_path), 2)
    assert [each["lists.seed"] for each in drawn] == [5, 6]


def test_what_suits_no_list_is_refused(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"shop.toml \[lists\].*'item_per_list'.*items_per_list"):
        project(tables, tmp_path, lists={"item_per_list": 3})
    with pytest.raises(DataError, match="no user has 200 rows"):
        check(project(tables, tmp_path, lists={**LISTS, "items_per_list": 200}))
