from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import torch

from motet.cli.parse import as_features, as_histories, as_users, as_values, as_weights
from motet.data.log import EventLog
from motet.data.schema import Categorical, MultiValued, Numeric, Schema, Text, Timestamp
from motet.data.vocab import Vocab
from motet.errors import ConfigError, DataError
from motet.model import Model
from motet.recommender import Recommender
from motet.tasks import Rating, Retrieval
from motet.towers import FeatureTower

from .conftest import Run


def shop() -> EventLog:
    users = pl.DataFrame(
        {
            "user": [1, 2],
            "age": [20.0, 30.0],
            "gender": ["F", "M"],
            "zone": [7, 8],
            "likes": [["war", "jazz"], ["jazz"]],
            "lucky": [[3, 4], [5]],
            "about": ["loves jazz", None],
            "since": ["2024-01-01", "2024-02-01"],
        }
    )
    kinds = {
        "age": Numeric(),
        "gender": Categorical(),
        "zone": Categorical(),
        "likes": MultiValued(),
        "lucky": MultiValued(),
        "about": Text(),
        "since": Timestamp(),
    }
    events = pl.DataFrame({"user": [1, 1, 2, 2], "item": [10, 11, 10, 12], "stars": [1.0, 5.0, 4.0, 2.0]})
    return EventLog.read(events, Schema(user="user", item="item", signals=("stars",), user_features=kinds), users=users)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recommender]:
    log = shop()
    torch.manual_seed(0)
    towers = {"user": FeatureTower(log.users, dim=4), "item": FeatureTower(log.items, dim=4)}
    recommender = Recommender(Model(**towers, tasks=[Retrieval(), Rating("stars")]), log)
    path = tmp_path_factory.mktemp("told") / "model"
    recommender.save(path)
    return path, recommender


def test_strangers_are_answered_as_by_the_library(motet: Run, told: tuple[Path, Recommender]) -> None:
    path, recommender = told
    typed = ("--feature", "age=24", "--feature", "gender=F", "--history", "10,11")
    asked: dict[str, object] = {"features": {"age": 24.0, "gender": "F"}, "histories": {9: [10, 11]}}
    (found,) = json.loads(motet("recommend", path, 9, "-k", 1, *typed, "--json").out)
    top = recommender.recommend(9, 1, **asked)  # type: ignore[arg-type]
    assert (found["known"], found["basis"]) == (False, "history")
    assert [item["id"] for item in found["found"]] == top.ids.tolist() == [12]
    (pair,) = json.loads(motet("predict", path, 9, 12, *typed, "--json").out)
    expected = recommender.predict(9, 12, **asked)  # type: ignore[arg-type]
    assert pair["tasks"] == {name: score.item() for name, score in expected.items()}


def test_the_title_says_what_the_answer_stands_on(motet: Run, told: tuple[Path, Recommender]) -> None:
    for typed, words in (
        ((), "user 9: not known to the model; based on popularity"),
        (("--feature", "likes=war|jazz"), "user 9: not known to the model; based on the features"),
        (("--history", "10", "--history", "12"), "user 9: not known to the model; based on the history"),
    ):
        assert words in " ".join(motet("recommend", told[0], 9, "-k", 1, *typed).out.split())  # a title may wrap


def test_values_are_read_as_declared() -> None:
    typed = ["age=24", "gender=a=b", "zone=7", "likes=war|jazz", "lucky=3|5", "about=hello", "since=2024-05-31", "x=1"]
    assert as_features(typed, shop().users) == {
        "age": 24.0,
        "gender": "a=b",
        "zone": 7,
        "likes": "war|jazz",
        "lucky": [3, 5],
        "about": "hello",
        "since": "2024-05-31",
        "x": "1",
    }
    assert as_features(["since=1700000000"], shop().users) == {"since": 1.7e9}


def test_ids_of_text_may_hold_commas() -> None:
    log = EventLog.read(pl.DataFrame({"user_id": ["a"], "item_id": ["Godfather, The"]}), Schema())
    assert as_histories(["Godfather, The", "x"], ["a"], log.items) == {"a": ["Godfather, The", "x"]}
    assert as_histories([], ["a", "b"], log.items) == {}
    more = EventLog.read(pl.DataFrame({"user_id": ["a", "a"], "item_id": ["x", "y"]}), Schema())
    words = r"'x,y' is no item but several; text ids may contain commas, so write --history x --history y"
    with pytest.raises(ConfigError, match=words):
        as_histories(["x,y"], ["a"], more.items)


def test_values_to_try() -> None:
    assert as_values(["training.epochs = 1,2", "a.b={x=1}"]) == {"training.epochs": "1,2", "a.b": "{x=1}"}
    with pytest.raises(ConfigError, match=r"'training.epochs' does not say what to try; write TABLE.KEY=VALUES"):
        as_values(["training.epochs"])
    with pytest.raises(ConfigError, match=r"a.b is to be tried twice; write all of its values at once: a.b=1,2,3"):
        as_values(["a.b=1,2", "a.b=3"])


def test_weights_of_tasks() -> None:
    assert as_weights(["rating=.5", "a=b=2"]) == {"rating": 0.5, "a=b": 2.0}
    with pytest.raises(ConfigError, match=r"'rating' is not the weight of a task; write TASK=WEIGHT, as in rating=.3"):
        as_weights(["rating"])
    with pytest.raises(ConfigError, match=r"rating has the weight 0.5 and again 2; give it once"):
        as_weights(["rating=.5", "rating=2"])


def test_refuses(motet: Run, told: tuple[Path, Recommender]) -> None:
    users = shop().users
    for typed, words in (
        ("age", r"'age' is not the value of a feature; write FEATURE=VALUE, as in age=24"),
        ("age=old", r"feature 'age' is a number, but 'old' is not"),
        ("zone=7a", r"feature 'zone' holds whole numbers such as 7, but '7a' is not one"),
    ):
        with pytest.raises(ConfigError, match=words):
            as_features([typed], users)
    with pytest.raises(ConfigError, match=r"--history belongs to one user, but there are 2"):
        as_histories(["10"], [1, 2], shop().items)
    ran = motet("recommend", told[0], 9, "-k", 1, "--feature", "agee=24")
    assert ran.code == 2
    assert "'agee' is not a feature that the tower of 'user' reads; did you mean 'age'?" in ran.err


def test_users_of_a_file_are_text_if_those_of_the_model_are(tmp_path: Path) -> None:
    """Without an id such as 007 in it, a file of digits was read as whole numbers, and refused."""
    (tmp_path / "users-1.csv").write_text("user\n12\n8\n12\n")
    vocab = Vocab.build(["007", "12"], "user")
    assert as_users(None, tmp_path / "users-1.csv", vocab) == ["12", "8"]
    (tmp_path / "users-2.csv").write_text("user,age\n7,30\n,40\n")
    with pytest.raises(DataError, match=r"has no id \(null\) in row 1 of users-2.csv \(counted from 0\)"):
        as_users(None, tmp_path / "users-*.csv", vocab)
