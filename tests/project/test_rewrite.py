from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from motet.errors import ArtifactError, ConfigError
from motet.project.rewrite import rewrite

TEXT = """# mine
[data] # where
events = "log.csv" # the log

[towers]
user = "FeatureTower"

[[tasks]]
kind = "Rating" # stars
dropout = 0.1 # little

[training]
epochs = 3 # few
optimizer = {kind = "Adam", lr = 0.01} # the usual
early_stopping = {metric = "stars/rmse"}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "motet.toml"
    path.write_text(TEXT)
    return path


def test_comments_stay_and_values_change(file: Path) -> None:
    rewrite(
        file,
        {
            "training.epochs": 8,
            "training.optimizer.lr": 0.5,
            "training.early_stopping": None,
            "tasks.1.dropout": 0.3,
            "tasks.1.hidden": [64],
            "towers.user.dim": 16,
            "weights.stars": 2.0,
        },
    )
    text = file.read_text()
    for comment in ("# mine", "# where", "# the log", "# stars", "# little", "# few", "# the usual"):
        assert comment in text
    assert tomllib.loads(text) == {
        "data": {"events": "log.csv"},
        "towers": {"user": {"kind": "FeatureTower", "dim": 16}},
        "tasks": [{"kind": "Rating", "dropout": 0.3, "hidden": [64]}],
        "training": {"epochs": 8, "optimizer": {"kind": "Adam", "lr": 0.5}},
        "weights": {"stars": 2.0},
    }


def test_another_file_leaves_the_first_alone_and_finds_the_data(file: Path, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    output = tmp_path / "sub" / "tuned.toml"
    rewrite(file, {"training.epochs": 8}, output=output, notes=["epochs: 3 became 8"])
    assert file.read_text() == TEXT
    assert output.read_text().startswith("# epochs: 3 became 8\n# mine\n")
    assert tomllib.loads(output.read_text())["data"]["events"] == "../log.csv"


def test_a_full_disk_leaves_the_file_of_before(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        ArtifactError, match=r"could not write .*motet.toml: No space left on device; the existing file"
    ):
        rewrite(file, {"training.epochs": 8})
    with pytest.raises(
        ArtifactError, match=r"could not write .*tuned.toml: No such file or directory; .* Free some space, or"
    ):
        rewrite(file, {"training.epochs": 8}, output=file.parent / "away" / "tuned.toml")
    assert file.read_text() == TEXT
    assert [path.name for path in file.parent.iterdir()] == ["motet.toml"]


def test_mistakes(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no file .*gone.toml to write settings into"):
        rewrite(tmp_path / "gone.toml", {})
    with pytest.raises(ConfigError, match=r"'tasks.2.dim' goes into tasks.2, which is none of 1"):
        rewrite(file, {"tasks.2.dim": 3})
    file.write_text("[data]\nevents = log.csv\n")
    with pytest.raises(ConfigError, match=r"motet.toml is not valid TOML: "):
        rewrite(file, {})
