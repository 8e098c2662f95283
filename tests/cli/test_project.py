"""init, check and train with a project file."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import polars as pl
import pytest

from motet.recommender import Recommender

from .conftest import Run, shop


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    log = shop()
    log.frame().write_parquet(tmp_path / "log.parquet")
    log.items.table.write_csv(tmp_path / "films.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(motet: Run) -> None:
    ran = motet("init", "log.parquet", "--items", "films.csv")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "Wrote motet.toml. Review it, then: motet check motet.toml; motet train motet.toml -o model/\n"


def test_from_a_log_to_a_model(motet: Run, folder: Path) -> None:
    init(motet)
    ran = motet("check", "motet.toml")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("EventLog(50 events, 8 users, 12 items; signals: stars)\n")
    assert ran.out.endswith("motet.toml can be trained: motet train motet.toml -o model/\n")
    ran = motet("train", "motet.toml", "-o", "model", "--set", "training.epochs=2")
    assert ran.code == 0
    for words in (
        "popularity",
        "unseen",
        "Random rows, seed 0",
        "Training seed 0.",
        "Saved to model. Ask it: motet rec",
    ):
        assert words in ran.out
    assert "epoch 2/2" in ran.err
    assert list(Recommender.load(folder / "model").model.tasks) == ["retrieval", "stars"]
    assert motet("evaluate", "model", "log.parquet").code == 0


def test_a_command_that_is_told_can_be_pasted(motet: Run, folder: Path) -> None:
    log = pl.read_parquet("log.parquet").with_columns(customer=pl.format("customer {}", "customer"))
    log.write_parquet(folder / "the log.parquet")
    told = motet("init", "the log.parquet", "-o", "my shop.toml").out.rstrip().partition("then: ")[2]
    for command in told.split("; "):  # check, train
        ran = motet(*shlex.split(command)[1:])
        assert ran.code == 0
    told = ran.out.rstrip().rpartition("Ask it: ")[2]
    assert motet(*shlex.split(told)[1:]).out.startswith("user customer ")


def test_json(motet: Run, folder: Path) -> None:
    shown = json.loads(motet("init", "log.parquet", "-o", "a.toml", "--explain", "--json").out)
    assert shown["project"] == "a.toml"
    assert shown["tables"]["schema"]["user"] == "customer"
    assert (folder / "a.toml").exists()
    checked = json.loads(motet("check", "a.toml", "--json").out)
    assert checked["rows"]["stars"] == {"train": 40, "test": 10}
    trained = json.loads(motet("train", "a.toml", "-o", "model", "--set", "training.epochs=1", "--json").out)
    assert trained["events"] == 40
    assert trained["report"]["figures"]["stars/rmse"] > 0


def test_several_files_are_one_log(motet: Run, folder: Path) -> None:
    log = pl.read_parquet("log.parquet")
    log[:30].write_csv("log-1.csv")
    log[30:].write_csv("log-2.csv")
    assert motet("init", "log-*.csv", "--items", "films.csv").code == 0
    assert 'events = "log-*.csv"' in (folder / "motet.toml").read_text()
    ran = motet("train", "motet.toml", "-o", "model", "--set", "training.epochs=1")
    assert (ran.code, "40 events" in ran.out) == (0, True)
    assert motet("evaluate", "model", "log-*.csv").code == 0


def test_warnings_are_lines(motet: Run, folder: Path) -> None:
    init(motet)
    text = (folder / "motet.toml").read_text()
    (folder / "motet.toml").write_text(
        text.replace("[schema.item_features]\n", '[schema.item_features]\ntitle2 = "Text"\n')
    )
    ran = motet("check", "motet.toml")
    assert ran.code == 2
    assert ran.err.startswith("motet: item feature 'title2' is neither in the item table nor in log.parquet; did")
    ran = motet("check", "motet.toml", "--set", "weights.stars=0", "--set", "schema.item_features={year='Categorical'}")
    assert "warning: item feature 'year' is different for every item: it says no more than the id\n" in ran.out
    assert "warning: task 'stars' has weight 0: it is not trained\n" in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["train", "motet.toml", "-o", "model", "--batch-size", 3],
            "motet: --batch-size cannot be combined with a project file; change the file, or one setting",
        ),
        (
            ["train", "motet.toml", "-o", "model", "--set", "training.epoch=3"],
            "motet: motet.toml [training]: 'epoch' is",
        ),
        (
            ["check", "motet.toml", "--set", "training.epochs"],
            "motet: 'training.epochs' is not a setting; write TABLE",
        ),
        (
            ["check", "motet.toml", "--set", "compare.seed=3"],
            "motet: motet.toml [compare]: 'seed' is not a setting of compare; did you mean 'seeds'?",
        ),
        (["check", "motet.toml", "--set", "sweep.weight=3"], "motet: motet.toml [sweep]: 'weight' is not a setting"),
        (["check", "motet.toml", "--set", "tune.minutes=long"], "motet: motet.toml [tune]: minutes = 'long'; it must"),
        (["check", "shop.toml"], "motet: there is no file shop.toml; write one with: motet init EVENTS -o shop.toml\n"),
        (
            ["init", "log.parquet"],
            "motet: there is a file motet.toml already; give another name with -o, or remove it\n",
        ),
        (["init", "log.xls", "-o", "b.toml"], "motet: there is no file log.xls"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(motet: Run, folder: Path, arguments: list[object], words: str) -> None:
    init(motet)
    code, out, err = motet(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(words)
    assert err.count("\n") == 1
    assert not (folder / "model").exists()


def test_options_and_changes_make_one_declaration(motet: Run, folder: Path) -> None:
    columns = ("--user", "customer", "--item", "title", "--rating", "stars", "--epochs", 2)
    for output, changes in (("a", ()), ("b", ("--set", "training.epochs=2")), ("c", ("--set", "tasks.2.dropout=.5"))):
        assert motet("train", "log.parquet", *columns, *changes, "-o", output).code == 0
    weights = [(folder / output / "model.safetensors").read_bytes() for output in "abc"]
    assert weights[0] == weights[1] != weights[2]
