"""sweep, tune and compare."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from .conftest import Run, shop

CHANGES = ("--set", "validation={kind='random', test=0.3}", "--set", "training.epochs=1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, motet: Run) -> Path:
    shop().frame().write_parquet(tmp_path / "log.parquet")
    monkeypatch.chdir(tmp_path)
    assert motet("init", "log.parquet").code == 0
    return tmp_path


def test_sweep_and_write(motet: Run, folder: Path) -> None:
    arguments = ("sweep", "motet.toml", *CHANGES, "--over", "towers.*.dim=4,8")
    ran = motet(*arguments)
    assert ran.code == 0
    for words in ("Validation rows", "popularity", "global mean", "Hypervolume", "motet sweep motet.toml --write "):
        assert words in ran.out
    shown = json.loads(motet(*arguments, "--json").out)
    assert [trial["settings"] for trial in shown["trials"]] == [{"towers.*.dim": 4}, {"towers.*.dim": 8}]
    assert set(shown["front"]) <= {0, 1}
    ran = motet("sweep", "motet.toml", "--write", 0)
    assert ran.out == "Wrote trial 0 into motet.toml: towers.*.dim = 4.\n"
    shown = json.loads(motet("sweep", "motet.toml", "--write", 0, "--json").out)
    assert shown == {"project": "motet.toml", "trial": 0, "settings": {"towers.*.dim": 4}}
    assert tomllib.loads((folder / "motet.toml").read_text())["towers"]["user"]["dim"] == 4


def test_written_weights_are_those_of_losses(motet: Run, folder: Path) -> None:
    by = ("--set", "recommend.by={stars=1, retrieval=2}")
    assert motet("sweep", "motet.toml", *CHANGES, *by, "--over", "weights.stars=3").code == 0
    ran = motet("sweep", "motet.toml", *by, "--write", 0)
    assert ran.out.startswith("Wrote trial 0 into motet.toml: weights.stars = 3.\n[recommend] by stays as it is: it we")
    assert "recommend" not in tomllib.loads((folder / "motet.toml").read_text())


def test_sweep_says_why_a_trial_failed(motet: Run, folder: Path) -> None:
    ran = motet("sweep", "motet.toml", *CHANGES, "--over", "towers.user.dim=32,4", "-o", folder / "failing")
    assert ran.code == 0
    assert f"To use a trial: motet sweep motet.toml -o {folder / 'failing'} --write 0\n" in ran.out
    assert "\nTrial 1 failed: ConfigError: motet.toml: task " in ran.out


def test_tune(motet: Run, folder: Path) -> None:
    arguments = ("tune", "motet.toml", *CHANGES, "--trials", 2, "--over", "towers.*.dim=4,8")
    ran = motet(*arguments)
    assert ran.code == 0
    assert "stars/rmse: start " in ran.out
    assert "Evaluate it on the test rows: motet train tuned.toml -o model/" in ran.out
    assert (folder / "tuned.toml").exists()
    ran = motet(*arguments)
    assert ran.code == 2
    assert ran.err.endswith("there is a file tuned.toml already; give another name with -o, or remove it\n")
    shown = json.loads(motet(*arguments, "-o", "other.toml", "--json").out)
    assert shown["trials"] == 2
    ran = motet(*arguments, "-o", "none/tuned.toml")  # refused before the search
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith("there is no folder none to write tuned.toml into; make it first\n")


def test_validation_rows_are_needed(motet: Run, folder: Path) -> None:
    ran = motet("sweep", "motet.toml")
    assert ran.code == 2
    assert ran.err.startswith("motet: motet.toml has no validation rows, and test rows must not choose")
    assert not (folder / "sweep").exists()


def test_compare(motet: Run, folder: Path) -> None:
    arguments = ("compare", "motet.toml", *CHANGES, "--seeds", 1, "--draws", 20)
    ran = motet(*arguments)
    assert ran.code == 0
    for words in ("1 seed,", "stars only", "popularity", "joint over specialist", "Joint training ", "users alone"):
        assert words in ran.out
    shown = json.loads(motet(*arguments, "--json").out)
    assert shown == json.loads((folder / "compare" / "compare.json").read_text())
    ran = motet("compare", "motet.toml", "--set", "baselines=['Popularty']")
    assert ran.code == 2
    assert "did you mean 'Popularity'?" in ran.err
