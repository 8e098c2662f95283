from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest

from motet.compare.objective import Score, Yardstick, headlines, objectives, relative_gain, voice
from motet.errors import ConfigError
from motet.project import Project


def test_what_there_is_to_judge_by(project: Project) -> None:
    found = Yardstick.of(project)
    assert {"stars/rmse", "retrieval/unseen/ndcg@10"} <= set(found.keys)
    assert found.rule("stars/rmse") > 0
    assert math.isnan(found.rule("stars/gone"))
    assert found.weights == {"stars": 1.0, "retrieval": 2.0}
    assert "Validation rows: Random rows" in found.notes[0]
    found.check(["stars/rmse"])


def test_a_task_without_validation_rows_is_named(file: Path) -> None:
    late = pl.col("time") >= 40  # all validation rows
    table = pl.read_csv(file.parent / "log.csv").with_row_index("time")
    table.with_columns(early=pl.when(late).then(None).otherwise(1)).write_csv(file.parent / "log.csv")
    tables = Project.read(file).tables
    schema = {**tables["schema"], "time": "time", "signals": ["stars", "early"]}
    last = {"kind": "by_time", "test": 0.25}
    tasks = [*tables["tasks"], {"kind": "Event", "label": "early"}]
    found = Yardstick.of(
        Project({**tables, "schema": schema, "split": last, "validation": last, "tasks": tasks}, file=file)
    )
    assert found.notes[-1].startswith("Nothing can be concluded about early: it has no metric on the validation rows")
    assert not any("concluded" in note for note in found.notes[:-1])
    assert objectives(found.keys, found.weights) == ("stars/rmse", "retrieval/unseen/ndcg@10")


def test_mistakes(project: Project) -> None:
    found = Yardstick.of(project)
    with pytest.raises(
        ConfigError, match=r"'stars/rmsd' is not a validation metric of this project; did you mean 'stars/"
    ):
        found.check(["stars/rmsd"])
    with pytest.raises(ConfigError, match=r"there is no objective; metrics of this project: stars/rmse, "):
        found.check([])
    without = project.changed({"validation": None})
    with pytest.raises(
        ConfigError, match=r"motet.toml has no validation rows, and test rows must not.*--set validation.kind=rand"
    ):
        Yardstick.of(without)


def test_the_best_rule_counts() -> None:
    beside = {"a": {"x/rmse": 2.0, "x/auc": 0.5}, "b": {"x/rmse": 1.0, "x/auc": 0.6, "x/mrr": math.nan}}
    found = Yardstick(("x/rmse",), beside, (), {})
    assert (found.rule("x/rmse"), found.rule("x/auc")) == (1.0, 0.6)
    assert math.isnan(found.rule("x/mrr"))


def test_headlines_speak_for_tasks() -> None:
    keys = ["r/all items/ndcg@10", "r/unseen/mrr", "r/unseen/ndcg@10", "s/mae", "s/rmse", "c/ece", "c/auc", "z/odd"]
    assert headlines(keys, "rscz") == {"r": "r/unseen/ndcg@10", "s": "s/rmse", "c": "c/auc", "z": "z/odd"}
    assert headlines(keys, ["gone"]) == {}


def test_each_stage_of_a_funnel_speaks_and_the_last_where_there_is_one_a_task() -> None:
    keys = [f"f/{stage}/{name}" for stage in ("seen", "bought") for name in ("ece", "auc")]
    found = headlines(["r/unseen/ndcg@10", *keys], "rf")
    assert found == {"r": "r/unseen/ndcg@10", "f/seen": "f/seen/auc", "f/bought": "f/bought/auc"}
    assert {voice(key): key for key in found.values()} == found
    assert objectives(keys, "rf") == ("f/bought/auc",)


def test_gains_and_scores() -> None:
    assert relative_gain("a/rmse", 0.9, 1.0) == pytest.approx(0.1)
    assert relative_gain("a/auc", 0.9, 1.0) == pytest.approx(-0.1)
    assert math.isnan(relative_gain("a/auc", 0.9, 0.0))
    figures = {"a/rmse": 0.9, "b/auc": 0.6}
    assert Score(("a/rmse",)).of(figures) == -0.9
    assert Score(("b/auc",)).of(figures) == 0.6
    assert Score(("a/rmse", "b/auc"), {"a/rmse": 1.0, "b/auc": 0.5}).of(figures) == pytest.approx(0.15)
    assert Score(("a/mae",)).of(figures) == -math.inf


def test_what_loses_in_one_figure_is_worth_less_than_the_reference() -> None:
    score = Score(("a/rmse", "b/auc"), {"a/rmse": 1.0, "b/auc": 0.5})
    assert score.of({"a/rmse": 1.0, "b/auc": 0.5}) == 0
    assert score.of({"a/rmse": 1.02, "b/auc": 0.9}) == pytest.approx(-0.02)
    assert score.of({"a/rmse": 0.99, "b/auc": 0.51}) == pytest.approx(0.015)
