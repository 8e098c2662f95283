from __future__ import annotations

import json
import math
from pathlib import Path

import polars as pl
import pytest

from motet.compare.comparison import Comparison, Estimate, System, Versus
from motet.project import Project
from motet.recommender import Recommender
from motet.report import Record, read_runs, write_report

TABLES = {
    "data": {"events": "log.csv", "items": "items.csv"},
    "schema": {
        "user": "user",
        "item": "item",
        "signals": ["stars"],
        "item_features": {"genre": {"kind": "Categorical"}},
    },
    "split": {"kind": "random", "test": 0.3},
    "validation": {"kind": "random", "test": 0.2},
    "towers": {"user": {"kind": "FeatureTower", "dim": 4}, "item": {"kind": "FeatureTower", "dim": 4}},
    "tasks": [{"kind": "Ordinal", "label": "stars"}, {"kind": "Retrieval"}],
    "training": {"epochs": 2, "batch_size": 64},
}
SCRIPT = "</script><script>alert(1)</script>"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as `motet train` saves it, of items whose names would break a careless page."""
    folder = tmp_path_factory.mktemp("report")
    rows = [
        {"user": user, "item": f"i{item}{SCRIPT}", "stars": float(1 + (user + item) % 3)}
        for user in range(12)
        for item in range(14)
        if (user * item) % 3
    ]
    pl.DataFrame(rows).write_csv(folder / "log.csv")
    items = [{"item": f"i{item}{SCRIPT}", "genre": "war & peace"} for item in range(14)]
    pl.DataFrame(items).write_csv(folder / "items.csv")
    project = Project(TABLES, file=folder / "shop.toml")
    trained = project.train(progress=False)
    record = Record.of_project(project, trained)
    Recommender(trained.model, trained.rows.train).save(folder / "model", run=record.to_json())
    return folder / "model"


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of three trials that ended, one of them dominated, and one that is at work."""
    folder = tmp_path_factory.mktemp("swept") / "sweep"
    folder.mkdir()
    plan = {"objectives": ["stars/rmse", "retrieval/unseen/ndcg@10"], "units": {"stars": 1.0, "retrieval": 1.0}}
    (folder / "plan.json").write_text(json.dumps(plan))
    beside = {"global mean": {"stars/rmse": 1.1}, "popularity": {"retrieval/unseen/ndcg@10": 0.12}}
    (folder / "rules.json").write_text(json.dumps({"beside": beside, "notes": ["40 rows, chosen by a coin."]}))
    figures = [(0.9, 0.1), (0.95, 0.2), (0.96, 0.15)]
    trials = [
        {
            "number": number,
            "settings": {"weights.stars": 1.0, "weights.retrieval": float(number)},
            "state": "done",
            "figures": dict(zip(plan["objectives"], each, strict=True)),
        }
        for number, each in enumerate(figures)
    ]
    lines = [json.dumps(trial) for trial in [*trials, {"number": 3, "settings": {}, "state": "started"}]]
    (folder / "trials.jsonl").write_text("\n".join(lines) + '\n{"number": 4, "sett')
    return folder


def estimate(value: float, width: float = 0.01) -> Estimate:
    return Estimate(value=value, low=value - width, high=value + width)


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of which one task lost, on two seeds."""
    folder = tmp_path_factory.mktemp("compared") / "comparison"
    folder.mkdir()
    tasks = {"stars": "stars/rmse", "retrieval": "retrieval/unseen/ndcg@10"}
    history = [{"epoch": epoch, "loss/stars": 1 / epoch, "gradient/stars": 0.25} for epoch in (1, 2)]
    later = [{**epoch, "loss/stars": 2 / epoch["epoch"]} for epoch in history]
    joint = {key: estimate(0.5) for key in tasks.values()}
    systems = [
        System(name="joint", kind="joint", figures=joint, histories=[history, later], seconds=[1, 2], errors=["", ""]),
        System(
            name="stars only",
            kind="specialist",
            task="stars",
            figures={"stars/rmse": estimate(0.4)},
            histories=[history, []],
            seconds=[1, math.nan],
            errors=["", "the memory was full"],
        ),
    ]
    versus = Versus(
        system="stars only",
        task="stars",
        key="stars/rmse",
        headline=True,
        joint=0.5,
        other=0.4,
        difference=estimate(0.1),
        gain=estimate(-0.25),
        outcome="worse",
    )
    Comparison(
        project="shop.toml",
        tables=TABLES,
        versions={"motet": "0"},
        notes=["The test rows are a tenth."],
        warnings=["one of them is odd"],
        level=0.95,
        draws=100,
        seeds=[{"training.seed": 0}, {"training.seed": 1}],
        headlines=tasks,
        systems=systems,
        versus=[versus],
        mean_gain=None,
        conflicts={"stars": {"retrieval": -0.3}, "retrieval": {"stars": -0.3}},
        curves={},
        verdict=["Joint training hurt stars."],
    ).write(folder)
    return folder


@pytest.fixture(scope="session")
def page(model: Path, sweep: Path, comparison: Path) -> Path:
    """Of all three."""
    return write_report(read_runs([comparison, sweep, model]), model.parent / "report")
