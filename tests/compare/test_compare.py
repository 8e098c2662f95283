from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from motet.calibration import calibrated
from motet.compare import Comparison, compare
from motet.compare.comparison import FILE, Estimate, System
from motet.compare.folder import TRIALS, RunFolder
from motet.compare.on_seed import on_seed
from motet.compare.rules import rules
from motet.compare.systems import contenders, seeds
from motet.compare.trial import Trial
from motet.compare.work import Declaration
from motet.errors import ConfigError, DataError, TrainingError
from motet.evaluation import evaluate
from motet.project import Project
from motet.project.tables import parsed
from motet.recommender import Recommender

from .conftest import written

FAST = {"seeds": 2, "draws": 20, "progress": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a comparison has ended."""
    folder = tmp_path_factory.mktemp("compare")
    compare(Project.read(written(folder)), folder=folder, **FAST)
    return folder


@pytest.fixture
def found(folder: Path) -> Comparison:
    return Comparison.read(folder)


def test_joint_specialists_and_baselines(found: Comparison) -> None:
    kinds = [(each.name, each.kind) for each in found.systems]
    assert kinds == [
        ("joint", "joint"),
        ("stars only", "specialist"),
        ("retrieval only", "specialist"),
        ("global mean", "baseline"),
        ("user + item bias", "baseline"),
        ("popularity", "baseline"),
        ("item kNN", "baseline"),
    ]
    keys = {"stars": "stars/rmse", "retrieval": "retrieval/unseen/ndcg@10", "served": "served/unseen/ndcg@9"}
    assert found.headlines == keys
    assert found.seeds == [{"training.seed": n, "split.seed": n, "validation.seed": n} for n in (0, 1)]
    assert list(found.transfers) == ["stars", "retrieval"]
    worse = [each.model_copy(update={"outcome": "worse"}) for each in found.versus]
    assert found.model_copy(update={"versus": worse}).negative_transfer == ["stars", "retrieval"]
    assert set(found.conflicts["stars"]) == {"retrieval"}
    joint = found.system("joint")
    assert [len(history) for history in joint.histories] == [2, 2]
    assert {"loss/stars", "gradient/stars", "cosine/stars/retrieval"} <= joint.histories[0][0].keys()
    assert len(set(joint.by_seed["stars/rmse"])) == 2
    assert found.verdict[0].startswith("Joint training ")
    assert any(note.startswith("2 seeds: training.seed 0, 1, split.seed 0, 1") for note in found.notes)
    assert any(note.startswith("served: the 9 items that `recommend` gives each of ") for note in found.notes)
    served = [each.system for each in found.versus if each.headline and each.task == "served"]
    assert served == ["stars only", "retrieval only", "popularity", "item kNN"]


def test_probabilities_are_judged_as_training_leaves_them(file: Path) -> None:
    log = pl.read_csv(file.parent / "log.csv")
    log.with_columns(liked=(pl.col("stars") > 3).cast(pl.Int8)).write_csv(file.parent / "log.csv")
    text = file.read_text().replace(
        'kind = "Rating"\nlabel = "stars"', 'kind = "Event"\nlabel = "liked"\npositive_weight = 9'
    )
    file.write_text(text.replace('signals = ["stars"]', 'signals = ["liked"]'))
    project = Project.read(file)
    trained = project.train(progress=False)
    assert trained.report is not None
    assert calibrated(trained.model)["liked"].slope != 1
    rows, model = trained.rows, project.model(trained.rows.train)
    project.fit(model, rows, validation=rows.validation)
    assert rows.test is not None
    raw = evaluate(model, rows.test, train=rows.train)["liked/ece"]
    joint = contenders(project, model)[0]
    found = on_seed(Trial(0, {}), Declaration.of(project), joint, {}, 2)
    assert found.figures["liked/ece"] == trained.report["liked/ece"] != raw


def test_a_seed_is_the_project_with_that_seed(project: Project, found: Comparison) -> None:
    seed = {"training.seed": 1, "split.seed": 1, "validation.seed": 1}
    for name, weights in (("joint", {}), ("stars only", {"weights.retrieval": 0.0})):
        changed = project.changed(seed | weights)
        rows = changed.divide(changed.log())
        model = changed.model(rows.train)
        changed.training.make(model, rows.train, progress=False)
        assert rows.test is not None
        report = evaluate(Recommender(model, rows.train), rows.test, train=rows.train)
        for key in (*found.headlines.values(), "served/unseen/recall@9"):
            assert found.system(name).by_seed[key][1] == pytest.approx(report[key])
            ruled = {"popularity", "global mean"} & {each.name for each in found.systems if key in each.figures}
            for rule in ruled:
                assert found.system(rule).by_seed[key][1] == pytest.approx(report.beside[rule][key])


def test_lists_are_those_of_the_product(project: Project, tmp_path: Path) -> None:
    """What counts as seen is left out by all systems, and a specialist stands in for tasks that it does not train."""
    touched = "[{kind='Touched', where='stars < 3', by='stars'}, ['retrieval']]"
    asked = Project(project.tables, file=project.file).changed(
        {"recommend": parsed(f"{{seen = 'stars >= 3', by = {{stars = 1.0}}, retrieve = {touched}}}")}
    )
    changes = {each.name: each.changes for each in contenders(asked, asked.model(asked.log()))}
    assert changes["stars only"]["recommend.retrieve"] is None
    retriever = {"kind": "Touched", "where": "stars < 3", "by": "retrieval"}
    assert changes["retrieval only"]["recommend.retrieve"] == [[retriever], ["retrieval"]]
    against = asked.changed({"recommend.by": {"stars": -2.0, "retrieval": 1.0}})
    changes = {each.name: each.changes for each in contenders(against, against.model(against.log()))}
    assert changes["stars only"]["recommend.by"] == {"stars": -2.0}, "what moves items down does so alone too"
    assert changes["retrieval only"]["recommend.by"] is None
    found = compare(asked, folder=tmp_path, **{**FAST, "seeds": 1})
    rows = asked.divide(asked.log())
    model = asked.model(rows.train)
    asked.fit(model, rows)
    assert rows.test is not None
    report = evaluate(asked.product(model, rows.train), rows.test, train=rows.train)
    for key in ("served/unseen/recall@9", "served/unseen/ndcg@9"):
        assert found.system("joint").by_seed[key][0] == pytest.approx(report[key])
        assert found.system("popularity").by_seed[key][0] == pytest.approx(report.beside["popularity"][key])


def test_one_of_more_seeds_goes_on_from_one_of_fewer(found: Comparison, folder: Path, tmp_path: Path) -> None:
    project = Project.read(folder / "motet.toml")
    lines = (folder / TRIALS).read_text()
    one = compare(project, folder=tmp_path / "a", **{**FAST, "seeds": 1})
    assert compare(project, folder=tmp_path / "a", **FAST).systems[0].by_seed == found.systems[0].by_seed
    fewer = compare(project, folder=folder, **{**FAST, "seeds": 1})
    assert (folder / TRIALS).read_text() == lines
    assert [each.figures for each in fewer.systems] == [each.figures for each in one.systems]
    found.write(folder)


def test_the_file(found: Comparison, folder: Path, tmp_path: Path) -> None:
    """No NaN, which is no JSON, and nothing left of the writing."""
    json.loads((folder / FILE).read_text(), parse_constant=pytest.fail)
    lost = found.model_copy(update={"conflicts": {"stars": {"retrieval": math.nan}}})
    assert lost.write(tmp_path) == tmp_path / FILE
    assert '"retrieval": null' in (tmp_path / FILE).read_text()
    assert math.isnan(Comparison.read(tmp_path).conflicts["stars"]["retrieval"])
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
    with pytest.raises(KeyError, match="'jiont' is no system of this comparison; did you mean 'joint'"):
        found.system("jiont")


def test_folders_of_other_runs(project: Project, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds another run: project\.training\.epochs is 2 there and 3 here"):
        compare(Project.read(folder / "motet.toml", ["training.epochs=3"]), folder=folder, **FAST)
    with RunFolder(tmp_path / "b", {}), pytest.raises(ConfigError, match="is using"):
        compare(project, folder=tmp_path / "b", **FAST)


def test_the_table(found: Comparison) -> None:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(found.table())
    shown = captured.get()
    for words in ("2 seeds", "rmse", "retrieval only", "joint over specialist", "gradient cosine with", "["):
        assert words in shown
    nothing = Estimate(value=math.nan, low=math.nan, high=math.nan)
    none = [each.model_copy(update={"gain": nothing, "outcome": "better"}) for each in found.versus]
    with console.capture() as captured:
        console.print(found.model_copy(update={"versus": none, "level": 0.995}).table())
    assert "intervals of 99.5%" in captured.get()
    (line,) = (each for each in captured.get().splitlines() if "joint over specialist" in each)
    assert line.split()[3:] == ["helped", "helped"]


def test_a_name_in_brackets_is_no_markup(found: Comparison) -> None:
    estimate = Estimate(value=0.5, low=0.4, high=0.6)
    joint = System(name="joint", kind="joint", figures={"price [eur]/rmse": estimate})
    console = Console(width=100)
    with console.capture() as captured:
        console.print(
            found.model_copy(update={"systems": [joint], "headlines": {"price [eur]": "price [eur]/rmse"}}).table()
        )
    assert "price [eur]" in captured.get()


def test_nothing_to_compare(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"motet\.toml trains 'stars' alone, so that there is nothing joint"):
        compare(project.changed({"weights.retrieval": 0.0}), folder=tmp_path / "a", **FAST)
    with pytest.raises(ConfigError, match="has no test rows; add a table"):
        compare(project.changed({"split": None}), folder=tmp_path / "a", **FAST)
    wrong = (("seeds", 0, "at least one"), ("level", 2, "between 0 and 1"), ("draws", 1, "two"), ("jobs", 0, "jobs=0;"))
    for name, value, told in wrong:
        with pytest.raises(ConfigError, match=told):
            compare(project, folder=tmp_path / "a", **{**FAST, name: value})
    assert not (tmp_path / "a").exists()


def test_what_users_get_is_looked_at_before_training(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[recommend\]: by names 'star', which is no task of the model; did you"):
        compare(project.changed({"recommend.by": {"star": 1.0}}), folder=tmp_path / "a", **FAST)
    assert not (tmp_path / "a").exists()


def test_a_joint_model_that_cannot_be_trained(project: Project, tmp_path: Path) -> None:
    wild = {"training.optimizer": {"kind": "SGD", "lr": 1e30}, "training.epochs": 9}
    with pytest.raises(TrainingError, match="the joint model could not be trained with any of 1 seeds: "):
        compare(project.changed(wild), folder=tmp_path / "a", **{**FAST, "seeds": 1})


def test_seeds_of_a_split_that_is_not_drawn(project: Project) -> None:
    whole = project.changed({"split": {"kind": "leave_last_out"}, "validation": None, "training.seed": 5})
    assert seeds(whole, 2) == [{"training.seed": 5}, {"training.seed": 6}]


def test_what_a_specialist_leaves_out(project: Project) -> None:
    changed = project.changed(
        {
            "balancer": "Uncertainty",
            "preference": {},
            "training.early_stopping": {"metric": "stars/rmse", "lower_is_better": True},
        }
    )
    rows = changed.divide(changed.log())
    stars, retrieval = contenders(changed, changed.model(rows.train))[1:3]
    assert stars.changes == {"weights.retrieval": 0.0, "balancer": None, "preference": None}
    assert retrieval.changes["training.early_stopping.metric"] == "retrieval/unseen/ndcg@10"
    alone = changed.changed(retrieval.changes)
    assert alone.balancer is None
    assert pickle.loads(pickle.dumps((on_seed, retrieval)))[1] == retrieval  # it travels to a worker
    stopping = alone.training.given["early_stopping"].given
    assert "lower_is_better" not in stopping


def test_declared_baselines(project: Project) -> None:
    declared = project.changed(
        {"baselines": [{"kind": "EASE", "regularization": 10.0}, {"kind": "GlobalMean", "label": "stars"}]}
    )
    train = declared.divide(declared.log()).train
    model = declared.model(train)
    found = rules(declared, model.tasks)
    assert {name: [place.task for place in places] for name, places in found.items()} == {
        "global mean": ["stars"],
        "popularity": ["retrieval"],
        "EASE": ["retrieval"],
    }
    assert evaluate(found["EASE"][0].make(train), train, train=train)
    for tables, told in (
        (["EASES"], r"\[\[baselines\]\] 1: there is no kind 'EASES'; did you mean 'EASE'"),
        (["GlobalMean"], r"GlobalMean predicts 'rating', by which no task is judged.*. Labels: stars"),
        (["EASE", {"kind": "EASE"}], r"\[\[baselines\]\] 2: there is another baseline called 'EASE'; give this one"),
        ([{"kind": "Popularity", "where": "stars > 3"}], "there is another baseline called 'popularity'"),
        ([{"kind": "EASE", "name": "joint"}], "a baseline is called 'joint', as a model of the comparison is"),
    ):
        with pytest.raises(ConfigError, match=told):
            contenders(project.changed({"baselines": tables}), model)
    stars = {name: task for name, task in model.tasks.items() if name == "stars"}
    with pytest.raises(ConfigError, match="EASE ranks the catalogue, and no task of this project does"):
        rules(project.changed({"baselines": ["EASE"]}), stars)


@pytest.mark.parametrize(
    "table",
    [
        "EASE",
        "Popularity",
        {"kind": "GlobalMean", "label": "stars"},
        {"kind": "Popularity", "name": "loved", "where": "stars > 3"},
    ],
)
def test_simple_rules_stand_beside_declared_ones(project: Project, table: Any) -> None:
    declared = project.changed({"baselines": [table]})
    found = rules(declared, declared.model(declared.log()).tasks)
    places = {
        name: (each[0].task, each[0].part) for name, each in rules(project, project.model(project.log()).tasks).items()
    }
    assert list(found)[:2] == ["global mean", "popularity"]
    for name in ("global mean", "popularity"):
        assert [(each.task, each.part) for each in found[name]] == [places[name]]


def test_a_file_that_is_no_comparison(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no .*compare\.json; make one with: motet compare"):
        Comparison.read(tmp_path)
    (tmp_path / "compare.json").write_text('{"format": 2}')
    with pytest.raises(DataError, match="is no comparison of format 1"):
        Comparison.read(tmp_path)
    (tmp_path / "compare.json").write_text("{")
    with pytest.raises(DataError, match="is no comparison of format 1"):
        Comparison.read(tmp_path)
