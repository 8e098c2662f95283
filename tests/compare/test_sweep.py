from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from motet.compare import choose, sweep, tune
from motet.compare.declared import declared
from motet.compare.folder import RULES, TRIALS, read_trials
from motet.compare.objective import Yardstick
from motet.compare.sampler import Sampler
from motet.compare.sweep_result import Sweep
from motet.compare.trial import Trial
from motet.errors import ConfigError, TrainingError
from motet.project import Project

KEYS = ("stars/rmse", "retrieval/unseen/ndcg@10")


def text(folder: Path) -> str:
    return (folder / TRIALS).read_text()


def test_weights_on_a_grid(project: Project, tmp_path: Path) -> None:
    found = sweep(project, weights=3, folder=tmp_path / "sweep", progress=False)
    assert found.objectives == KEYS
    weights = [tuple(trial.settings.values()) for trial in found.trials]
    assert weights == [(0, 4), (1, 2), (2, 0)]  # the middle is the project as it is
    rmse = [trial.figure(KEYS[0]) for trial in found.trials]
    for trial in found.front:
        better = [
            other
            for other in found.trials
            if other.figure(KEYS[0]) < trial.figure(KEYS[0]) and other.figure(KEYS[1]) > trial.figure(KEYS[1])
        ]
        assert not better
    assert min(rmse) in [trial.figure(KEYS[0]) for trial in found.front]
    assert found.reference == {key: found.yardstick.rule(key) for key in KEYS}
    kept = json.loads((tmp_path / "sweep" / RULES).read_text(), parse_constant=pytest.fail)
    assert kept["beside"]["popularity"][KEYS[1]] == found.yardstick.beside["popularity"][KEYS[1]]
    assert kept["notes"] == list(found.yardstick.notes)
    assert found.hypervolume >= 0
    assert found.frame().columns == ["trial", "state", "front", "weights.stars", "weights.retrieval", *KEYS]
    console = Console(width=160)
    with console.capture() as captured:
        console.print(found.table())
    shown = captured.get()
    assert "Validation rows" in shown
    assert "popularity" in shown
    assert "global mean" in shown
    assert shown.count("*") == len(found.front)


def test_the_table_breaks_no_word() -> None:
    keys = ("retrieval/unseen/ndcg@10", "stars/rmse", "purchase/auc")
    settings = {f"weights.{key.partition('/')[0]}": 1.5 for key in keys}
    trial = Trial(0, settings, "done", dict.fromkeys(keys, 0.5))
    beside = {"popularity": {keys[0]: 0.1}, "global mean": {keys[1]: 1.1}}
    console = Console(width=80)
    with console.capture() as captured:
        console.print(Sweep(keys, (trial,), Yardstick(keys, beside, (), {})).table())
    shown = captured.get()
    words = ("retrieval", "unseen", "ndcg@10", "weights.", "purchase", "popularity", "global", "mean")
    assert [word for word in words if word not in shown] == []


@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_a_task_that_is_not_trained_is_no_part_of_it(file: Path, tmp_path: Path, sampler: Sampler) -> None:
    """A third of the grid trained nothing, and a sampler began with a range from 0 to 0."""
    again = '[[tasks]]\nkind = "Rating"\nlabel = {column = "stars", name = "again"}\n\n[weights]\nagain = 0'
    file.write_text(file.read_text().replace("[weights]", again))
    project = Project.read(file, ["training.epochs=1"])
    found = sweep(project, sampler=sampler, trials=2, folder=tmp_path / "sweep", progress=False)
    assert found.objectives == KEYS
    assert {key for trial in found.trials for key in trial.settings} <= {"weights.stars", "weights.retrieval"}
    assert all(any(trial.settings.values()) for trial in found.trials)
    own = sweep(project, over={"weights.again": [0, 1]}, trials=1, folder=tmp_path / "own", progress=False)
    assert own.objectives == (*KEYS, "again/rmse")
    assert tune(project, trials=1, progress=False).score.keys == KEYS


def test_the_middle_is_the_project_itself(project: Project, tmp_path: Path) -> None:
    seen = sweep(project, weights=3, folder=tmp_path / "sweep", progress=False).trials[1]
    one = sweep(project, over={"training.epochs": [2]}, folder=tmp_path / "other", progress=False).trials[0]
    assert seen.figures == one.figures


def test_settings_seeds_and_processes(project: Project, tmp_path: Path) -> None:
    arguments = {"over": {"towers.*.dim": "2,4", "training.epochs": [1]}, "seeds": (0, 1), "objectives": KEYS[:1]}
    found = sweep(project, folder=tmp_path / "a", progress=False, **arguments)
    again = sweep(project, folder=tmp_path / "b", progress=False, jobs=2, **arguments)
    assert [trial.settings["towers.*.dim"] for trial in found.trials] == [2, 4]
    assert [trial.figures for trial in found.trials] == [pytest.approx(trial.figures) for trial in again.trials]
    assert found.trials[0].spread[KEYS[0]] > 0
    single = sweep(project, folder=tmp_path / "c", progress=False, **{**arguments, "seeds": (1,)})
    mean = (sweep_seed(project, tmp_path / "d", 0) + single.trials[0].figure(KEYS[0])) / 2
    assert found.trials[0].figure(KEYS[0]) == pytest.approx(mean)


def sweep_seed(project: Project, folder: Path, seed: int) -> float:
    over = {"towers.*.dim": "2,4", "training.epochs": [1]}
    return sweep(project, folder=folder, over=over, seeds=(seed,), progress=False).trials[0].figure(KEYS[0])


def test_the_test_rows_are_not_looked_at(project: Project, tmp_path: Path) -> None:
    """Other test rows, same training and validation rows: same figures."""
    found = sweep(project, over={"training.epochs": [1]}, folder=tmp_path / "a", progress=False)
    log = project.log()
    rows = project.divide(log)
    assert rows.validation is not None
    counted = f"{len(rows.validation)} held-out rows, each item ranked among"
    assert any(counted in note for note in found.yardstick.notes)


def test_a_sampler(project: Project, tmp_path: Path) -> None:
    found = sweep(project, sampler="tpe", trials=3, folder=tmp_path / "a", progress=False)
    assert [list(trial.settings) for trial in found.trials] == [["weights.retrieval"]] * 3
    assert all(0.02 <= trial.settings["weights.retrieval"] <= 200 for trial in found.trials)
    more = sweep(project, sampler="tpe", trials=4, folder=tmp_path / "a", progress=False)
    assert more.trials[:3] == found.trials


def test_a_trial_that_cannot_be_trained_is_kept(project: Project, tmp_path: Path) -> None:
    over = {"towers.user.dim": [4, 3]}
    found = sweep(project, over=over, folder=tmp_path / "a", progress=False)
    assert [trial.state for trial in found.trials] == ["done", "failed"]
    assert found.trials[1].error.startswith("ConfigError: motet.toml: task 'retrieval' takes the dot product")
    assert [trial.number for trial in found.front] == [0]
    with pytest.raises(TrainingError, match="not one of 1 trials could be trained; the first: ConfigError"):
        sweep(project, over={"towers.user.dim": [3]}, folder=tmp_path / "b", progress=False)


def test_a_chosen_trial_is_written_back(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    over = {"towers.*.dim": [4, 6]}
    found = sweep(Project.read(file), over=over, weights=3, folder=folder, progress=False)
    assert choose(Project.read(file), 5, folder) == found.trials[5]
    written = tomllib.loads(file.read_text())
    assert [written["towers"][side]["dim"] for side in ("user", "item")] == [6, 6]
    assert written["weights"] == {"stars": 2.0, "retrieval": 0.0}
    assert "# small" in file.read_text()
    before = text(folder)
    again = sweep(Project.read(file), over=over, weights=3, folder=folder, progress=False)
    assert again.trials == found.trials
    assert text(folder) == before
    with pytest.raises(ConfigError, match=r"trial 9 does not exist in .*; finished trials: 0, 1, 2, 3, 4, 5"):
        choose(Project.read(file), 9, folder)
    with pytest.raises(ConfigError, match=r"there is no sweep in .*elsewhere; name its folder with -o, or start it"):
        choose(Project.read(file), 5, tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="the project was not read from a file"):
        choose(Project(tomllib.loads(file.read_text())), 0, folder)


def test_another_sweep_needs_another_folder(project: Project, tmp_path: Path) -> None:
    sweep(project, over={"training.epochs": [1]}, folder=tmp_path / "a", progress=False)
    with pytest.raises(ConfigError, match=r"holds another run: over.training.epochs is \[1\] there and \[2\] here"):
        sweep(project, over={"training.epochs": [2]}, folder=tmp_path / "a", progress=False)
    other = project.changed({"training.batch_size": 32})
    with pytest.raises(ConfigError, match=r"holds another run: project.training.batch_size is 64 there and 32 here"):
        sweep(other, over={"training.epochs": [1]}, folder=tmp_path / "a", progress=False)


def test_mistakes(project: Project, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"weights=3 is a grid; for the sampler 'tpe' give ranges, as in over weights"
    ):
        sweep(project, sampler="tpe", weights=3, folder=tmp_path, progress=False)
    with pytest.raises(ConfigError, match="trials=0; a sweep trains at least one"):
        sweep(project, trials=0, folder=tmp_path, progress=False)
    with pytest.raises(ConfigError, match="jobs=0; it must be at least 1"):
        sweep(project, jobs=0, folder=tmp_path / "a", progress=False)
    assert not (tmp_path / "a").exists()
    alone = project.changed({"tasks": ["Retrieval"], "weights": {}})
    with pytest.raises(ConfigError, match=r"the only task.s weight changes nothing; name settings to try"):
        sweep(alone, sampler="tpe", folder=tmp_path, progress=False)
    with pytest.raises(ConfigError, match=r"'stars/rmes' is not a validation metric"):
        sweep(project, objectives=["stars/rmes"], folder=tmp_path, progress=False)


def test_a_table_of_the_file(project: Project) -> None:
    told = project.changed({"sweep": {"over": {"training.epochs": [1, 2]}, "jobs": 2}})
    assert declared(told, sweep, {"jobs": 1}) == {"over": {"training.epochs": [1, 2]}, "jobs": 1}
    with pytest.raises(ConfigError, match=r"motet.toml \[sweep\]: 'job' is not a setting of sweep; did you mean"):
        declared(project.changed({"sweep": {"job": 2}}), sweep, {})
    with pytest.raises(
        ConfigError, match=r"motet.toml \[sweep\]: sampler = 'grd'; it must be one of .*; did you mean 'grid'"
    ):
        declared(project, sweep, {"sampler": "grd"})


def test_a_kill_costs_no_finished_trial(file: Path, tmp_path: Path) -> None:
    over = {"training.epochs": [1, 2, 3, 4], "training.batch_size": [8]}
    folder = tmp_path / "killed"
    program = (
        "import sys; from motet.cli import main; sys.argv = ['motet', 'sweep', sys.argv[1], '-o', sys.argv[2], "
        "'--over', 'training.epochs=1,2,3,4', '--over', 'training.batch_size=8']; main()"
    )
    process = subprocess.Popen([sys.executable, "-c", program, file, folder], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (folder / TRIALS).exists() or sum('"done"' in line for line in text(folder).splitlines()) < 1:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {number: trial for number, trial in read_trials(folder).items() if trial.finished}
    assert 1 <= len(before) < 4
    declared_ = {"training.epochs": "1,2,3,4", "training.batch_size": "8"}
    found = sweep(Project.read(file), over=declared_, folder=folder, progress=False)
    assert {number: found.trials[number] for number in before} == before
    done = [json.loads(line)["number"] for line in text(folder).splitlines() if '"done"' in line]
    assert sorted(done) == list(range(4))  # each was trained to its end once
    whole = sweep(Project.read(file), over=over, folder=tmp_path / "whole", progress=False)
    assert [trial.figures for trial in found.trials] == [trial.figures for trial in whole.trials]
