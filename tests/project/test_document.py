from __future__ import annotations

from typing import Any

import pytest

from motet.errors import ConfigError
from motet.project.document import parse

LEAST: dict[str, Any] = {"data": {"events": "log.csv"}, "tasks": [{"kind": "Retrieval"}]}


def test_the_least_document() -> None:
    document = parse(LEAST, "motet.toml")
    assert document.towers.user == "FeatureTower"
    assert document.split is None
    assert document.weights == {}


def test_a_table_may_be_none() -> None:
    document = parse({**LEAST, "split": "none", "recent": "none", "training": "none"}, "motet.toml")
    assert (document.split, document.recent, document.training) == (None, None, {})
    with pytest.raises(ConfigError, match=r"motet.toml has no table 'tasks', which is required"):
        parse({**LEAST, "tasks": "none"}, "motet.toml")


def test_a_tower_is_of_the_default_kind_unless_it_says_another() -> None:
    towers = parse({**LEAST, "towers": {"user": {"dim": 8}, "item": {"kind": "ContentTower"}}}, "motet.toml").towers
    assert (towers.user, towers.item) == ({"kind": "FeatureTower", "dim": 8}, {"kind": "ContentTower"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trainning": {}}, "motet.toml: there is no table 'trainning'; did you mean 'training'"),
        ({"columns": {}}, "motet.toml: there is no table 'columns'"),
        ({"data": {"events": "a", "item": "b"}}, r"\[data\]: there is no key 'item'; did you mean 'items'\? Keys: ev"),
        ({"data": {}}, r"motet.toml \[data\] has no key 'events', which is required"),
        ({"towers": {"usr": {}}}, r"motet.toml \[towers\]: there is no key 'usr'; did you mean 'user'"),
        ({"tasks": []}, r"motet.toml: tasks = \[\]; it must hold at least one"),
        ({"tasks": 3}, "motet.toml: tasks = 3; it must be a list"),
        (
            {"mix": {"events": "a.csv"}},
            r"motet.toml: \[mix\] is a single table, and there may be several: write \[\[mix",
        ),
        ({"training": "x"}, r"motet.toml: training = 'x'; it must be a table"),
        ({"weights": {"rating": "much"}}, r"motet.toml \[weights\]: rating = 'much'; it must be a number"),
        ({"data": {"events": 3}}, r"motet.toml \[data\]: events = 3; it must be text"),
    ],
)
def test_mistakes_in_the_outline(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse({**LEAST, **change}, "motet.toml")


def test_a_table_that_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"motet.toml has no table 'tasks', which is required"):
        parse({"data": {"events": "log.csv"}}, "motet.toml")
