"""Further logs of a project: one split for all, batches mixed in the stated ratio, and nothing lost on the way."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from motet import Recommender, evaluate
from motet.compare.fingerprint import fingerprints
from motet.data.mix import Mix
from motet.data.recent import sessions
from motet.errors import ConfigError, DataError
from motet.project import Project, check
from motet.project.logs import ORIGIN, mixed

from .conftest import Tables, wide


@pytest.fixture
def survey(folder: Path, tables: Tables) -> Tables:
    """Stars in a file of their own, some by people the events do not know."""
    stars = pl.DataFrame(
        {
            "user_id": [row % 15 for row in range(60)],
            "sku": [f"s{row % 20}" for row in range(60)],
            "day": [row // 5 for row in range(60)],
            "stars": [float(1 + row % 5) for row in range(60)],
        }
    )
    stars.write_parquet(folder / "survey.parquet")
    wide().drop("stars").write_parquet(folder / "wide.parquet")
    tables["schema"]["signals"] = ["clicked", "bought"]
    tables["tasks"][1]["where"] = {"half_life_days": 9}
    tables["mix"] = [{"events": "survey.parquet", "schema": {"signals": ["stars"]}, "ratio": 0.5}]
    return tables


def project(folder: Path, tables: Tables) -> Project:
    return Project(tables, file=folder / "shop.toml")


def test_all_rows_are_one_log_with_one_split(folder: Path, survey: Tables) -> None:
    survey["split"] = {"kind": "by_time", "test": 0.25}
    found = project(folder, survey)
    log = found.log()
    assert (len(log), log.schema.signals) == (300, ("clicked", "bought", "stars"))
    assert log.columns[ORIGIN].bincount().tolist() == [240, 60]
    assert log.columns["clicked"][240:].isnan().all()
    rows = found.divide(log)
    assert rows.test is not None
    assert rows.train.columns["day"].max() <= rows.test.columns["day"].min()
    assert rows.test.columns[ORIGIN].unique().tolist() == [0, 1]


def test_training_mixes_the_batches(folder: Path, survey: Tables) -> None:
    found = project(folder, survey)
    rows = found.divide(found.log())
    schemas = [schema.make() for schema in found.schemas]
    mix = mixed(rows.train, found.model(rows.train), schemas, [0.5])
    assert isinstance(mix, Mix)
    assert mix.ratio == (1.0, 0.5)
    assert sum(map(len, mix.logs)) == len(rows.train)
    assert "stars" not in mix.logs[0].columns
    assert "clicked" not in mix.logs[1].columns
    loader = mix.loader(batch_size=16)
    assert sum("stars" in batch for batch in loader.epoch(0)) * 2 == pytest.approx(len(loader.loaders[0]), abs=1)
    by_rows = mixed(rows.train, found.model(rows.train), schemas, [None])
    assert isinstance(by_rows, Mix)
    assert by_rows.ratio[1] == len(mix.logs[1]) / len(mix.logs[0])


def test_a_log_that_no_task_learns_from_is_left_out(folder: Path, survey: Tables) -> None:
    survey["weights"] = {"stars": 0}
    found = project(folder, survey)
    rows = found.divide(found.log())
    alone = mixed(rows.train, found.model(rows.train), [schema.make() for schema in found.schemas], [0.5])
    assert not isinstance(alone, Mix)
    assert alone.columns[ORIGIN].unique().tolist() == [0]
    assert found.fit(found.model(rows.train), rows, epochs=1)["loss/retrieval"].is_finite().all()


def test_sessions_of_all_logs_together(folder: Path, survey: Tables) -> None:
    """A list is a session, a condition reads its number, and only the logs with the label learn from it."""
    frame = pl.read_parquet(folder / "wide.parquet").with_columns(clicked=pl.int_range(pl.len()) // 12 % 2)
    frame.with_columns(day=pl.int_range(pl.len()) // 48).write_parquet(folder / "wide.parquet")
    survey["sessions"] = {"gap_minutes": 0}
    survey["tasks"] += [{"kind": "Listwise", "label": "clicked", "by": "session", "where": "session > 1"}]
    found = project(folder, survey)
    log = found.log()
    assert torch.equal(
        log.columns["session"], sessions(project(folder, {**survey, "sessions": None}).log(), 0).columns["session"]
    )
    rows = found.divide(log)
    mix = found.mix(model := found.model(rows.train), rows)
    assert isinstance(mix, Mix)
    assert all("session" in part.columns for part in mix.logs)
    assert [model.tasks["clicked"].has_columns(part.batch()) for part in mix.logs] == [True, False]
    assert found.fit(model, rows, epochs=1)["loss/clicked"].is_finite().all()
    with pytest.raises(
        ConfigError, match=r"^shop.toml \[sessions\]: 'gap' is not a setting of sessions. Settings: gap_minutes, n"
    ):
        project(folder, {**survey, "sessions": {"gap": 30}})


def test_it_trains_judges_and_is_saved(folder: Path, survey: Tables) -> None:
    first, second = (project(folder, survey).train(progress=False) for _ in range(2))
    assert first.report is not None
    assert {"stars/rmse", "retrieval/unseen/hit_rate@10"} <= first.report.keys()
    for name, weights in first.model.state_dict().items():
        assert torch.equal(weights, second.model.state_dict()[name])
    recommender = Recommender(first.model.cpu(), first.log)
    recommender.save(folder / "model")
    again = Recommender.load(folder / "model")
    assert torch.equal(again.recommend(3, k=4).scores, recommender.recommend(3, k=4).scores)


def test_a_saved_model_is_evaluated_on_a_file_of_either_log(folder: Path, survey: Tables) -> None:
    survey["tasks"].append({"kind": "Event", "label": "clicked"})
    trained = project(folder, survey).train(progress=False)
    trained.recommender.save(folder / "model")
    saved = Recommender.load(folder / "model")
    left_out = "{}: no held-out row has its label; it is left out."
    for file, measured, other in (("wide", "clicked/auc", "stars"), ("survey", "stars/rmse", "clicked")):
        test = saved.encode(folder / f"{file}.parquet")
        assert set(test.columns) >= {"clicked", "bought", "stars"}
        report = evaluate(saved, test, train=saved.log)
        assert math.isfinite(report[measured])
        assert left_out.format(other) in report.notes
        assert left_out.format(measured.partition("/")[0]) not in report.notes


def test_check_says_what_is_mixed_in(folder: Path, survey: Tables) -> None:
    found = check(project(folder, survey))
    assert "60 of these events come from survey.parquet." in found.facts
    assert "12 of 60 rows of survey.parquet have a user_id that does not occur in wide.parquet" in found.warnings
    assert found.rows["stars"]["train"] + found.rows["stars"]["test"] == 60


def test_comparisons_know_the_file(folder: Path, survey: Tables) -> None:
    assert {"events", "mix 1"} == fingerprints(project(folder, survey)).keys()


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ({"evnts": "a.csv"}, r"shop.toml \[\[mix\]\] 1: there is no key 'evnts'; did you mean 'events'"),
        ({"events": "a.csv", "ratio": 0.0}, r"shop.toml \[\[mix\]\] 1: ratio = 0.0; input should be greater than 0"),
        ({"events": "a.csv", "schema": {"signal": []}}, r"\[\[mix\]\] 1, schema: 'signal' is not a setting of Schema"),
    ],
)
def test_mistakes_name_the_table(folder: Path, tables: Tables, mix: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        project(folder, {**tables, "mix": [mix]})


def test_a_column_that_would_hide_the_log(folder: Path, survey: Tables) -> None:
    wide().rename({"clicked": "log"}).write_parquet(folder / "wide.parquet")
    survey["schema"]["signals"] = ["log"]
    with pytest.raises(
        DataError, match="a column is called 'log', the name of the column that numbers the logs of the mix; rename"
    ):
        project(folder, survey).log()
