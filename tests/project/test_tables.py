from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from motet.errors import ConfigError
from motet.project.tables import override, parsed, read_tables, with_settings

LEAST: dict[str, Any] = {"data": {"events": "log.csv"}, "tasks": [{"kind": "Retrieval"}]}


def test_files(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"there is no file .*shop.toml; write one with: motet init EVENTS -o shop.to"
    ):
        read_tables(tmp_path / "shop.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ConfigError, match=r"folder.toml is no project file, which is TOML text"):
        read_tables(tmp_path / "folder.toml")
    with pytest.raises(ConfigError, match=r"x+ cannot be read: .*File name too long"):
        read_tables(tmp_path / ("x" * 300))
    (tmp_path / "bad.toml").write_text("[data]\nevents = log.csv\n")
    with pytest.raises(ConfigError, match=r"bad.toml is not valid TOML: Invalid value \(at line 2"):
        read_tables(tmp_path / "bad.toml")


def test_override_takes_toml_and_bare_words() -> None:
    changes = [
        "training.epochs=3",
        "training.average = .99",
        "training.device=cpu",
        "tasks.1.hidden=[4, 2]",
        'tasks.1.pool={kind="Catalogue"}',
        "tasks.1.where=clicked == 1",
        "weights.x=-.5",
        "split.kind=random",
    ]
    changed = override(LEAST, changes)
    assert changed["training"] == {"epochs": 3, "average": 0.99, "device": "cpu"}
    task = {"kind": "Retrieval", "hidden": [4, 2], "pool": {"kind": "Catalogue"}, "where": "clicked == 1"}
    assert changed["tasks"] == [task]
    assert changed["weights"] == {"x": -0.5}
    assert changed["split"] == {"kind": "random"}
    assert LEAST["tasks"] == [{"kind": "Retrieval"}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("training.epochs", "'training.epochs' is not a setting; write TABLE.KEY=VALUE, as in training.epochs=3"),
        (".epochs=3", "'.epochs=3' is not a setting"),
        ("tasks.2.name=a", "'tasks.2.name' goes into tasks.2, which is none of 1; they count from 1"),
        ("tasks.buy.name=a", "goes into tasks.buy, which is none of 1"),
        ("data.events.name=a", "goes into data.events, which is 'log.csv' and no table; set the whole of it"),
        (
            "training.optimizer={kind=Adam, lr=1}",
            r"'\{kind=Adam, lr=1\}' is not valid TOML: .*; text in it needs quotes, as in \{kind = \"Adam\"",
        ),
        ("tasks.1=a", "'tasks.1' names no key of tasks; write TABLE.KEY=VALUE"),
    ],
)
def test_mistakes_in_changes(change: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        override(LEAST, [change])


def test_a_weight_belongs_to_a_task_whose_name_may_contain_dots() -> None:
    assert override({}, ["weights.event.click=2"]) == {"weights": {"event.click": 2}}
    assert with_settings({"weights": {"event.click": 2}}, {"weights.event.click": None}) == {"weights": {}}


def test_settings_by_value() -> None:
    tables = {**LEAST, "towers": {"user": "FeatureTower"}, "training": {"epochs": 3, "early_stopping": {"metric": "a"}}}
    values = {"towers.user.dim": 8, "training.early_stopping": None, "training.optimizer.lr": 0.1, "weights.gone": None}
    changed = with_settings(tables, values)
    assert changed["towers"] == {"user": {"kind": "FeatureTower", "dim": 8}}
    assert changed["training"] == {"epochs": 3, "optimizer": {"lr": 0.1}}
    assert changed["weights"] == {}
    assert tables["towers"] == {"user": "FeatureTower"}
    assert with_settings({"tasks": ["Retrieval"]}, {"tasks.1.dropout": 0.5}) == {
        "tasks": [{"kind": "Retrieval", "dropout": 0.5}]
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("3", 3), (".5", 0.5), ("-.5", -0.5), (" AdamW ", "AdamW"), ("[1, 2]", [1, 2]), ("true", True)),
        *(('{kind = "Adam", lr=.1}', {"kind": "Adam", "lr": 0.1}), ("[.1,-.2]", [0.1, -0.2])),
        *(("[0-9].csv", "[0-9].csv"), ("a >= .5", "a >= .5")),
    ],
)
def test_typed_values(text: str, value: Any) -> None:
    assert parsed(text) == value
