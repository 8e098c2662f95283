from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from motet.recommender import Recommender

from .conftest import Run, shop


@pytest.fixture
def files(tmp_path: Path) -> Path:
    log = shop()
    log.frame().write_parquet(tmp_path / "log.parquet")
    log.items.table.write_csv(tmp_path / "films.csv")
    pl.DataFrame({"customer": range(1, 10), "age": range(20, 29)}).write_parquet(tmp_path / "people.parquet")
    return tmp_path


def train(motet: Run, files: Path, *options: object, output: str = "model") -> tuple[int, str, str]:
    log, columns = files / "log.parquet", ("--user", "customer", "--item", "title")
    return motet("train", log, *columns, "--epochs", 2, "-o", files / output, *options)


def test_trains_saves_and_evaluates(motet: Run, files: Path) -> None:
    options = (
        *("--rating", "stars", "--users", files / "people.parquet", "--items", files / "films.csv"),
        *("--user-feature", "age=numeric", "--item-feature", "genres=multi_valued", "--item-feature", "year=numeric"),
        *("--weight", "stars=.5", "--dim", 8),
    )
    code, out, err = train(motet, files, *options, "--json")
    assert code == 0
    shown = json.loads(out)
    assert shown["model"] == str(files / "model")
    assert shown["events"] == 50
    assert [epoch["epoch"] for epoch in shown["history"]] == [1, 2]
    assert "epoch 2/2" in err
    recommender = Recommender.load(files / "model")
    assert recommender.model.weights == {"retrieval": 10.0, "stars": 0.5}
    assert recommender.model.user.dim == 8
    assert set(recommender.items.features) == {"genres", "year"}
    assert 9 in recommender.users.vocab

    ran = motet("evaluate", files / "model", files / "log.parquet", "--json")
    report = json.loads(ran.out)
    figures = report["figures"]
    assert set(report["beside"]) == {"popularity", "global mean"}
    assert ran.code == 0
    assert 0 < figures["stars/rmse"] < 5
    assert 0 <= figures["retrieval/all items/hit_rate@10"] <= 1
    people = motet("evaluate", files / "model", files / "log.parquet")
    assert "rmse" in people.out
    assert "all items" in people.out


def test_without_a_rating_it_retrieves(motet: Run, files: Path) -> None:
    code, out, _ = train(motet, files)
    assert code == 0
    assert "Trained on EventLog(50 events, 8 users, 12 items); losses of the last epoch: " in out
    assert f"Saved to {files / 'model'}. Ask it: motet recommend {files / 'model'} 1\n" in out
    assert list(Recommender.load(files / "model").model.tasks) == ["retrieval"]
    assert json.loads((files / "model" / "run.json").read_bytes())["name"] == "model"  # there is no file to name it


def test_the_seed_decides(motet: Run, files: Path) -> None:
    for output, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(motet, files, "--seed", seed, output=output)
    weights = [(files / output / "model.safetensors").read_bytes() for output in "abc"]
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rating", "star"], "motet: column 'star' is not in log.parquet; did you mean 'stars'"),
        (
            ["--item-feature", "year"],
            "motet: feature 'year' has no known kind. Write COLUMN=KIND, as in year=numeric.",
        ),
        (
            ["--item-feature", "year=number"],
            "motet: feature 'year=number' has no known kind; did you mean 'numeric'?",
        ),
        (["--weight", "rating=2"], "motet: weights names 'rating' (2.0), which is not a task"),
        (["--weight", "stars"], "motet: 'stars' is not the weight of a task; write TASK=WEIGHT"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(motet: Run, files: Path, options: list[str], words: str) -> None:
    code, out, err = train(motet, files, *options)
    assert (code, out) == (2, "")
    assert err.startswith(words)
    assert err.count("\n") == 1
    assert not (files / "model").exists()


def test_a_folder_of_something_else_is_found_before_training(motet: Run, files: Path) -> None:
    (files / "thesis").mkdir()
    (files / "thesis" / "chapter.tex").write_text("")
    code, _, err = train(motet, files, output="thesis")
    assert code == 2
    assert err.startswith("motet: the folder 'thesis' holds 'chapter.tex', which a saved model would replace")
