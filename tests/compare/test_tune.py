from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from motet.compare import Tuned, tune
from motet.compare.objective import Score, Yardstick
from motet.compare.space import Range
from motet.compare.trial import Trial
from motet.compare.tune import _bar, _rungs
from motet.compare.tuning_space import as_declared, tuning_space
from motet.compare.work import Declaration, race
from motet.errors import ConfigError, TrainingError
from motet.project import Project

RMSE = "stars/rmse"
OVER = {"towers.*.dim": [2, 8], "training.optimizer.kind": ["Adam"], "training.optimizer.lr": "0.003..0.3:log"}


def small(project: Project, **more: object) -> Tuned:
    return tune(project, over=OVER, progress=False, **{"trials": 4, "epochs": 4, "objective": RMSE, **more})  # type: ignore[arg-type]


def test_the_best_is_no_worse_than_the_start_and_comes_again(project: Project, tmp_path: Path) -> None:
    found = small(project, folder=tmp_path / "kept")
    assert found.start.settings == {}
    assert found.best.figure(RMSE) <= found.start.figure(RMSE)
    assert len(found.trials) == 4
    assert found.best.figure(RMSE) == min(trial.figure(RMSE) for trial in found.trials)
    again = small(project)
    assert [trial.settings for trial in again.trials] == [trial.settings for trial in found.trials]
    assert [trial.figures for trial in again.trials] == [trial.figures for trial in found.trials]
    assert small(project, folder=tmp_path / "kept").trials == found.trials


def test_what_was_found_is_written_with_what_was_changed(file: Path, tmp_path: Path) -> None:
    project = Project.read(file)
    start = Trial(0, {}, "done", {RMSE: 1.0})
    best = Trial(2, {"towers.*.dim": 8, "training.average": None}, "done", {RMSE: 0.5}, epochs=7)
    found = Tuned(start, best, (start, best), Score((RMSE,)), Yardstick((RMSE,), {}, (), {}))
    found.write(project, tmp_path / "tuned.toml")
    text = (tmp_path / "tuned.toml").read_text()
    assert text.startswith(f"# Tuned by motet on validation rows, in 2 trials: {RMSE} 1.0000 -> 0.5000. Changed:\n")
    assert "#   towers.user.dim = 8\n#   towers.item.dim = 8\n#   training.epochs = 7\n" in text
    assert "# a shop" in text
    written = tomllib.loads(text)
    assert written["training"]["epochs"] == 7
    assert [written["towers"][side]["dim"] for side in ("user", "item")] == [8, 8]
    nothing = replace(found, best=start, trials=(start,))
    assert nothing.settings == {}
    nothing.write(project, tmp_path / "same.toml")
    words = "# Tuned by motet on validation rows, in 1 trial: none was better than the project.\n"
    assert (tmp_path / "same.toml").read_text().startswith(words)
    with pytest.raises(ConfigError, match="the project was not read from a file, so there is none to copy"):
        found.write(Project(tomllib.loads(text)), tmp_path / "b.toml")


def test_training_goes_on_from_rung_to_rung_as_if_in_one_piece(project: Project) -> None:
    declaration, score = Declaration.of(project), Score((RMSE,))
    never = float("-inf")
    rungs = race(Trial(1, {}), declaration, score, {1: never, 2: never, 4: never})
    whole = race(Trial(1, {}), declaration, score, {4: never})
    assert rungs.figures == whole.figures
    assert rungs.epochs == whole.epochs
    assert rungs.rungs[4] == whole.rungs[4] == -rungs.figure(RMSE)
    stopped = race(Trial(1, {}), declaration, score, {1: float("inf"), 4: never})
    assert (stopped.state, list(stopped.rungs)) == ("pruned", [1])


def test_the_best_third_goes_on() -> None:
    assert _rungs(30) == [3, 10, 30]
    assert _rungs(2) == [1, 2]
    ended = [Trial(number, {}, rungs={3: float(number)}) for number in range(6)]
    assert _bar(ended, 3) == 4.0
    assert _bar(ended[:2], 3) == 1.0
    assert _bar([], 3) == _bar(ended, 10) == float("-inf")


def test_the_space_is_what_the_parts_take(project: Project) -> None:
    found, beside = tuning_space(project, {"stars": 1.0, "retrieval": 2.0}, 1000)
    assert {"towers.*.dim", "towers.*.dropout", "tasks.1.hidden", "weights.retrieval", "training.average"} <= set(found)
    assert "weights.stars" not in found  # only ratios matter
    assert "tasks.2.hidden" not in found  # a dot product has none
    assert beside == {"training.optimizer.kind": "AdamW"}
    sgd = project.changed({"training.optimizer": "SGD", "towers": {}})
    found, beside = tuning_space(sgd, {"stars": 1.0}, 1000)
    assert not any(key.startswith(("training.optimizer", "weights")) for key in found)
    assert not beside


def test_a_search_starts_where_the_project_is(project: Project) -> None:
    declared = project.changed({"training.optimizer": {"kind": "Adam", "lr": 0.2}, "training.batch_size": 700})
    dimensions, _ = tuning_space(declared, {"stars": 1.0, "retrieval": 2.0}, 2000)
    assert as_declared(declared, dimensions) == {
        **{"towers.*.dim": 16, "towers.*.dropout": 0.0},  # 4 is below what is tried
        **{"tasks.1.dropout": 0.0, "tasks.2.temperature": 1.0},  # the hidden layers of 256 and 128 are not tried
        **{"weights.retrieval": 2, "training.batch_size": 512, "training.average": None},
        **{"training.optimizer.lr": 0.05, "training.optimizer.weight_decay": 1e-4},
    }
    assert as_declared(project, {"training.optimizer.lr": Range(0.001, 0.05)}) == {"training.optimizer.lr": 0.01}
    found = small(project, trials=2, epochs=1)
    assert found.trials[1].settings == {
        **{"towers.*.dim": 2, "training.optimizer.kind": "Adam", "training.optimizer.lr": 0.01}
    }


def test_the_whole_space_can_be_trained(project: Project) -> None:
    found = tune(project, trials=3, epochs=1, progress=False)
    assert {trial.state for trial in found.trials} <= {"done", "pruned"}
    keys = (RMSE, "retrieval/unseen/ndcg@10")
    assert found.score.references == {key: found.start.figure(key) for key in keys}
    assert found.best.figure(keys[0]) <= found.start.figure(keys[0])  # no task gets worse
    assert found.best.figure(keys[1]) >= found.start.figure(keys[1])


def test_the_test_rows_change_nothing(file: Path, tmp_path: Path) -> None:
    """Other labels and items in the test rows, and the same trials, figures and choice; in the validation rows, not."""
    project = Project.read(file)
    truth = told(small(project, objective=None, trials=2, epochs=2))
    log, parts = pl.read_csv(file.parent / "log.csv").with_row_index(), project.divide(project.log())
    for name, rows, same in (("test", parts.test, True), ("validation", parts.validation, False)):
        assert rows is not None
        here = log.join(rows.frame().select("user", "item"), on=["user", "item"], how="semi")
        poisoned = here.with_columns(pl.col("item").reverse(), stars=99 - pl.col("stars"))
        (tmp_path / name).mkdir()
        found = pl.concat([log.join(here, on="index", how="anti"), poisoned]).sort("index").drop("index")
        found.write_csv(tmp_path / name / "log.csv")
        (tmp_path / name / file.name).write_text(file.read_text())
        assert (
            told(small(Project.read(tmp_path / name / file.name), objective=None, trials=2, epochs=2)) == truth
        ) == same


def told(found: Tuned) -> list[object]:
    return [(trial.settings, trial.figures, trial.epochs) for trial in found.trials]


def test_time_ends_it(project: Project) -> None:
    assert len(small(project, minutes=0, trials=None).trials) == 1


def test_mistakes(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"training.epochs is part of every search; limit it with epochs"):
        tune(project, trials=1, over={"training.epochs": [1]}, progress=False)
    with pytest.raises(ConfigError, match="trials=0; a search needs at least one, the unchanged project"):
        tune(project, trials=0, progress=False)
    with pytest.raises(ConfigError, match="minutes=nan; it must be 0 or more"):
        tune(project, minutes=math.nan, progress=False)
    with pytest.raises(ConfigError, match="epochs=0; a trial takes at least one"):
        tune(project, trials=1, epochs=0, progress=False)
    with pytest.raises(ConfigError, match="'stars/rms' is not a validation metric of this project; did you mean"):
        small(project, objective="stars/rms")
    broken = project.changed({"towers.user.dim": 3})
    with pytest.raises((ConfigError, TrainingError)):
        small(broken)


def test_a_gain_needs_something_to_gain_over(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Yardstick, "rule", lambda *_: 0.0)
    monkeypatch.setattr(Trial, "figure", lambda *_: 0.0)
    with pytest.raises(
        ConfigError, match=r"the unchanged project scores 0 in stars/rmse, .*; name an objective, one of: stars/rmse, "
    ):
        small(project, objective=None)


def test_a_start_that_cannot_be_trained(project: Project) -> None:
    wild = project.changed({"training.optimizer": {"kind": "SGD", "lr": 1e30}})
    with pytest.raises(TrainingError, match="the unchanged project cannot be trained: "):
        small(wild)
