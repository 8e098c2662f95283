from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from motet.cli import printing
from motet.data.entities import Entities
from motet.data.vocab import Vocab
from motet.evaluation import evaluate
from motet.index import TopK
from motet.model import Model
from motet.preference import Preference
from motet.recommendations import recommend_table
from motet.recommender import Recommender
from motet.tasks import Rating, Retrieval
from motet.towers import FeatureTower

from .conftest import Run, shop


def test_recommend_is_the_library_in_json(motet: Run, saved: Path, recommender: Recommender) -> None:
    ran = motet("recommend", saved, 3, 99, "-k", 4, "--by", "stars=.3", "--by", "retrieval=.7", "--json")
    assert (ran.code, ran.err) == (0, "")
    top = recommender.recommend([3, 99], 4, by={"stars": 0.3, "retrieval": 0.7})
    known, stranger = json.loads(ran.out)
    assert known["user"] == 3
    assert [answer["known"] for answer in (known, stranger)] == [True, False]
    assert [item["id"] for item in known["found"]] == top.ids[0].tolist()
    assert [item["score"] for item in stranger["found"]] == top.scores[1].tolist()
    assert [item["tasks"]["stars"] for item in known["found"]] == top.tasks["stars"][0].tolist()


def test_recommend_for_people(motet: Run, saved: Path, recommender: Recommender) -> None:
    ran = motet("recommend", saved, 3, "-k", 2)
    top = recommender.recommend(3, 2)
    assert ran.code == 0
    for word in ("user 3", "title", "genres", "retrieval", "stars", *top.ids, f"{float(top.tasks['stars'][0]):.3f}"):
        assert word in ran.out
    assert "user 99: not known to the model; based on popularity" in motet("recommend", saved, 99).out


def test_columns_of_text_and_of_lists_stand_beside_the_id() -> None:
    table = pl.DataFrame({"id": ["a", "b"], "name": ["Ada", None], "tags": [["x", None, "y"], None], "price": [1, 2]})
    told = printing._table("", ["a", "b"], {}, Entities("id", Vocab.build(["a", "b"], "id"), table=table))
    assert [column.header for column in told.columns] == ["", "id", "name", "tags"]
    assert [list(column.cells) for column in told.columns[2:]] == [["Ada", ""], ["x, y", ""]]


def test_a_task_called_score_hides_no_score(capsys: pytest.CaptureFixture[str]) -> None:
    top = TopK(np.array(["a"], dtype=object), torch.tensor([2.5]), {"score": torch.tensor([7.0])})
    found = Entities("id", Vocab.build(["a"], "id"), table=pl.DataFrame({"id": ["a"]}))
    printing.show(top, ["u"], "user", found, json=False)
    assert {"2.500", "7.000"} <= set(capsys.readouterr().out.split())


def test_a_narrow_table_cuts_no_id_and_no_score(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ids = ["1000000000014", "1000000000153"]
    table = pl.DataFrame({"id": ids, "headline": ["A headline of more than thirty letters"] * 2, "section": "politics"})
    scores = {name: torch.tensor([12345.678, 0.5]) for name in ("find_clicked", "clicked", "dwell_seconds")}
    found = Entities("id", Vocab.build(ids, "id"), table=table)
    printing.show_pairs(scores, "u", ids, found, basis="known", json=False)
    told = capsys.readouterr().out.split()
    assert [told.count(word) for word in (*ids, "12345.678", "0.500")] == [1, 1, 3, 3]


def test_recommend_filters(motet: Run, saved: Path) -> None:
    only = ["[Film] 1", "[Film] 2", "[Film] 3"]
    options = [part for item in only for part in ("--only", item)]
    ran = motet("recommend", saved, 3, *options, "--exclude", only[1], "--include-seen", "--candidates", 7, "--json")
    assert {item["id"] for item in json.loads(ran.out)[0]["found"]} == {only[0], only[2]}


def test_lists_for_many_users_are_a_file(motet: Run, saved: Path, recommender: Recommender, tmp_path: Path) -> None:
    lists, users = tmp_path / "lists.parquet", tmp_path / "users.csv"
    ran = motet("recommend", saved, "--everyone", "-k", 2, "--by", "stars=1", "-o", lists)
    assert (ran.code, ran.out) == (0, f"Wrote 16 rows for 8 users to {lists}\n")
    ran = motet("recommend", saved, "--everyone", "-k", 2, "--by", "stars=1", "-o", lists, "--json")
    assert json.loads(ran.out) == {"table": str(lists), "rows": 16, "users": 8}
    expected = recommend_table(recommender, k=2, by={"stars": 1.0}, progress=False)
    assert pl.read_parquet(lists).equals(expected)
    users.write_text("name,customer\nAda,5\nBob,99\nAda,5\n")
    assert motet("recommend", saved, "--users", users, "-k", 2, "-o", lists).code == 0
    assert pl.read_parquet(lists)["customer"].to_list() == [5, 5, 99, 99]
    assert motet("recommend", saved, 3, "-k", 2, "-o", lists).code == 0
    assert pl.read_parquet(lists)["customer"].to_list() == [3, 3]


def test_users_are_named_in_one_way(motet: Run, saved: Path, tmp_path: Path) -> None:
    users, lists = tmp_path / "users.csv", tmp_path / "lists.csv"
    users.write_text("customer,age\n1,20\n,30\n")
    for arguments, message in (
        ([], "name the users in one way: ids, --users FILE or --everyone"),
        ([3, "--everyone"], "name the users in one way"),
        (["--everyone"], "lists for many users are written, not printed: add -o lists.parquet"),
        (["--everyone", "-o", tmp_path / "lists.xlsx"], "'lists.xlsx' has the type '.xlsx'"),
        (["--users", users, "-o", lists], "column 'customer' of users.csv has no id (null) in row 1 (counted from 0)"),
        (["--users", tmp_path / "away.csv", "-o", lists], "there is no file"),
    ):
        ran = motet("recommend", saved, *arguments)
        assert ran.code == 2
        assert message in ran.err
        assert not lists.exists()
    users.write_text("customer\nAda\n")
    assert "customer" in motet("recommend", saved, "--users", users, "-o", lists).err


def test_predict(motet: Run, saved: Path, recommender: Recommender) -> None:
    ran = motet("predict", saved, 3, "[Film] 1", "[Film] 7", "--json")
    expected = recommender.predict(3, ["[Film] 1", "[Film] 7"])
    first, second = json.loads(ran.out)
    tasks = {name: part[0].item() for name, part in expected.items()}
    assert first == {"user": 3, "known": True, "item": "[Film] 1", "tasks": tasks}
    assert second["item"] == "[Film] 7"
    ran = motet("predict", saved, 3, "[Film] 1")
    assert "[Film] 1" in ran.out
    assert f"{expected['stars'][0].item():.3f}" in ran.out


def test_predict_says_that_a_user_is_not_known(motet: Run, saved: Path) -> None:
    assert "user 99: not known to the model;" in motet("predict", saved, 99, "[Film] 1").out
    (pair,) = json.loads(motet("predict", saved, 99, "[Film] 1", "--json").out)
    assert pair["known"] is False
    assert "not known" not in motet("predict", saved, 3, "[Film] 1").out


def test_preference_is_the_librarys(motet: Run, saved: Path, tmp_path: Path) -> None:
    log = shop()
    torch.manual_seed(0)
    towers = {"user": FeatureTower(log.users, dim=4), "item": FeatureTower(log.items, dim=4)}
    model = Model(**towers, tasks=[Retrieval(), Rating("stars")], preference=Preference())
    torch.nn.init.normal_(model.preference.maps.weight)  # type: ignore[union-attr]
    slider, asked = Recommender(model, log), {"stars": 0.2, "retrieval": 0.8}
    slider.save(tmp_path / "slider")
    log.frame().write_parquet(tmp_path / "test.parquet")
    written = ("--preference", "stars=.2,retrieval=.8", "--json")
    (found,) = json.loads(motet("recommend", tmp_path / "slider", 3, *written).out)
    assert [item["score"] for item in found["found"]] == slider.recommend(3, preference=asked).scores.tolist()
    (pair,) = json.loads(motet("predict", tmp_path / "slider", 3, "[Film] 1", *written).out)
    assert pair["tasks"]["stars"] == slider.predict(3, "[Film] 1", preference=asked)["stars"].item()
    report = json.loads(motet("evaluate", tmp_path / "slider", tmp_path / "test.parquet", *written).out)
    assert report["figures"]["stars/rmse"] == evaluate(model, log, train=log, preference=asked)["stars/rmse"]
    refused = motet("recommend", saved, 3, *written)
    assert refused.code == 2
    assert "motet: the model was built without a Preference and answers by one weighting only" in refused.err


def test_similar(motet: Run, saved: Path, recommender: Recommender) -> None:
    (answer,) = json.loads(motet("similar", saved, "[Film] 1", "-k", 3, "--json").out)
    assert [item["id"] for item in answer["found"]] == recommender.similar_items("[Film] 1", 3).ids.tolist()
    (answer,) = json.loads(motet("similar", saved, 4, "--users", "-k", 3, "--json").out)
    assert [user["id"] for user in answer["found"]] == recommender.similar_users(4, 3).ids.tolist()
    assert "user 4" in motet("similar", saved, 4, "--users", "-k", 3).out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recommend", 3, "-k", 0], "motet: k=0; it must be at least 1 and at most 12, the number of items\n"),
        (
            ["recommend", 3, "--by", "star=1"],
            "motet: by names 'star', which is no task of the model; did you mean 'stars'",
        ),
        (["recommend", 3, "--by", "stars"], "motet: 'stars' is not the weight of a task; write TASK=WEIGHT"),
        (["recommend", 3, "--by", "=2"], "motet: '=2' is not the weight of a task; write TASK=WEIGHT, as in"),
        (
            ["recommend", "ada"],
            "motet: 'ada' is not an id in customer: the ids of this model are whole numbers such as 1\n",
        ),
        (["recommend", 3, "--exclude", "Film 1"], "motet: item 'Film 1' is not among the 12 known items"),
        (["predict", 3, "Nothing"], "motet: item 'Nothing' is not among the 12 known items"),
        (
            ["similar", 44, "--users", "-k", 3],
            "motet: user 44 is not among the 8 known users; their ids lie between 1 and 8\n",
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_2(motet: Run, saved: Path, arguments: list[object], words: str) -> None:
    command, *rest = arguments
    ran = motet(command, saved, *rest)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith(words)
    assert ran.err.count("\n") == 1


def test_a_folder_that_is_no_model(motet: Run, tmp_path: Path) -> None:
    ran = motet("recommend", tmp_path, 3)
    assert ran.code == 2
    assert "there is no saved model in" in ran.err


def test_a_process_answers_quickly(saved: Path) -> None:
    before = cpu_seconds_of_children()
    command = [sys.executable, "-c", "from motet.cli import main; main()", "recommend", str(saved), "3", "--json"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert cpu_seconds_of_children() - before < 4  # not the clock: other tests may run beside this one
    assert json.loads(done.stdout)[0]["user"] == 3


def cpu_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_evaluate_with_intervals_and_slices(motet: Run, saved: Path, tmp_path: Path) -> None:
    test = tmp_path / "test.csv"
    pl.DataFrame({"customer": [1, 2, 3, 4], "title": ["[Film] 1", "[Film] 2"] * 2, "stars": [1, 5, 3, 2]}).write_csv(
        test
    )
    options = ("--intervals", "--slices", "visited, users")
    found = json.loads(motet("evaluate", saved, test, *options, "--json").out)
    low, high = found["intervals"]["stars/rmse"]
    assert low <= found["figures"]["stars/rmse"] <= high
    assert {name.partition(":")[0] for name in found["slices"]} == {"visited", "users"}
    assert " to " in motet("evaluate", saved, test, *options).out


def test_evaluate_with_list_lengths(motet: Run, saved: Path, tmp_path: Path) -> None:
    test = tmp_path / "test.csv"
    pl.DataFrame({"customer": [1, 2], "title": ["[Film] 1", "[Film] 2"], "stars": [1, 5]}).write_csv(test)
    figures = json.loads(motet("evaluate", saved, test, "--ks", "1, 2", "--json").out)["figures"]
    assert {key.rpartition("/")[2] for key in figures if "hit_rate" in key} == {"hit_rate@1", "hit_rate@2"}
    assert any(key.endswith("mrr@2") for key in figures)
    for wrong in ("ten", "0", "1,,2"):
        run = motet("evaluate", saved, test, "--ks", wrong)
        assert run.code == 2
        assert "is not the length of a list; write whole numbers from 1, as in --ks 10,50" in " ".join(run.err.split())
