"""Two tasks learn from one column, under names of their own, in Python, in a saved model and in a project file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch

from motet import EventLog, FeatureTower, Model, Recommender, Schema, evaluate, fit
from motet.errors import ConfigError
from motet.project import Project
from motet.tasks import Event, Label, Listwise, Ordinal, Rating, Task

ROWS = [(user, item, float((user + item) % 2)) for user in range(1, 6) for item in range(1, 5)]
TABLE = pl.DataFrame(ROWS, schema=["user_id", "item_id", "liked"], orient="row")
LOG = EventLog.read(TABLE, Schema(signals=("liked",)))
KINDS: list[Callable[[str | Label], Task]] = [Rating, Ordinal, Event, Listwise]


def model_of(*tasks: Task) -> Model:
    torch.manual_seed(0)
    return Model(user=FeatureTower(LOG.users, dim=4), item=FeatureTower(LOG.items, dim=4), tasks=list(tasks))


@pytest.mark.parametrize("kind", KINDS)
def test_the_name_changes_nothing_but_the_name(kind: Callable[[str | Label], Task]) -> None:
    own, named = kind("liked"), kind(Label("liked", name="other"))
    assert (own.name, named.name, own.needs, named.needs) == ("liked", "other", ("liked",), ("liked",))
    first, second = model_of(own), model_of(named)
    for model in (first, second):
        model.prepare(LOG)
    assert torch.equal(first.losses(LOG.batch())["liked"], second.losses(LOG.batch())["other"])


def test_two_tasks_of_one_column_are_trained_measured_and_saved(tmp_path: Path) -> None:
    model = model_of(Event("liked"), Listwise(Label("liked", name="order"), biases=True))
    fit(model, LOG, epochs=1, progress=False)
    report = evaluate(model, LOG, train=LOG)
    assert {"liked/auc", "order/list_ndcg"} <= set(report)
    whole = Recommender(model, LOG)
    whole.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model")
    told = whole.predict(1, [1, 2, 3]), loaded.predict(1, [1, 2, 3])
    assert list(told[0]) == list(told[1]) == ["liked", "order"]
    assert all(torch.equal(told[0][name], told[1][name]) for name in told[0])


def test_a_project_file_says_it_in_the_same_words(tmp_path: Path) -> None:
    TABLE.write_csv(tmp_path / "log.csv")
    tasks = [{"kind": "Rating", "label": "liked"}, {"kind": "Event", "label": {"column": "liked", "name": "chance"}}]
    tables = {"data": {"events": "log.csv"}, "schema": {"signals": ["liked"]}, "tasks": tasks, "weights": {"chance": 2}}
    project = Project(tables, file=tmp_path / "motet.toml")
    model = project.model(project.log())
    assert {name: task.needs for name, task in model.tasks.items()} == {"liked": ("liked",), "chance": ("liked",)}
    with pytest.raises(
        ConfigError, match=r"\[\[tasks\]\] 1, label: 'nme' is not a setting of Label; did you mean 'nam"
    ):
        Project({**tables, "tasks": [{"kind": "Rating", "label": {"column": "liked", "nme": "x"}}]})


@pytest.mark.usefixtures("unchecked_types")
def test_what_is_no_label() -> None:
    with pytest.raises(ConfigError, match=r"^label=3 must be of type str or Label; name a column, such as label="):
        Rating(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^column=3; it must be text$"):
        Label(3)  # type: ignore[arg-type]
