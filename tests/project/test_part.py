from __future__ import annotations

from typing import Any

import pytest
import torch

from motet.balancers import Balancer
from motet.data.log import EventLog
from motet.data.schema import Categorical, MultiValued, Schema
from motet.errors import ConfigError
from motet.project.kinds import SPLITS, offered
from motet.project.part import Part
from motet.tasks import InBatch, Retrieval, Rows, Task
from motet.towers import Tower

from .conftest import wide

TASKS = offered(Task)


def task(**table: Any) -> Part:
    return Part.of(table, TASKS, "motet.toml [[tasks]] 2")


def test_a_table_is_the_class_and_its_arguments() -> None:
    made = task(
        kind="Retrieval",
        name="buy",
        positives={"where": "bought == 1", "half_life_days": 30},
        negatives="stars <= 1",
        pool={"kind": "InBatch", "extra": {"uniform": 8}, "spare": "history"},
        temperature="none",
    ).make()
    assert isinstance(made, Retrieval)
    assert isinstance(made.positives, Rows)
    assert made.positives.config() == {"where": "bought == 1", "weight": None, "half_life_days": 30}
    assert (made.name, made.negatives, made.temperature) == ("buy", "stars <= 1", None)
    assert isinstance(made.pool, InBatch)
    assert made.pool.config() == {"spare": "history", "hardest": None, "extra": {"uniform": 8}, "log_q": True}


def test_none_takes_a_setting_back() -> None:
    """Also one whose default is None: `--set` has no other way to leave out what the file gives."""
    made = task(kind="Retrieval", positives="none", pool="none", heads="none").make()
    assert (made.positives, made.heads) == (None, None)
    assert isinstance(made.pool, InBatch)


def test_a_text_is_a_kind_without_settings() -> None:
    assert type(task(kind="Retrieval", pool="Catalogue").make().pool).__name__ == "Catalogue"
    assert isinstance(Part.of("Retrieval", TASKS, "").make(), Retrieval)


def test_tables_of_parts() -> None:
    features = {"genres": {"kind": "MultiValued", "separator": ","}, "country": "Categorical"}
    schema = Part.of({"item_features": features}, {"Schema": Schema}, "motet.toml [schema]").make()
    assert schema.item_features == {"genres": MultiValued(","), "country": Categorical()}


def test_an_optimizer_waits_for_the_parameters() -> None:
    kinds = offered(torch.optim.Optimizer)
    assert {"Adagrad", "AdamW"} < kinds.keys() - {"LBFGS", "Composite"} == kinds.keys(), "what a file can declare"
    make = Part.of({"kind": "Adam", "lr": 0.5, "betas": [0.8, 0.9]}, kinds, "").make()
    weights = [torch.nn.Parameter(torch.zeros(2))]
    optimizer = make(weights)
    assert isinstance(optimizer, torch.optim.Adam)
    assert (optimizer.defaults["lr"], optimizer.defaults["betas"]) == (0.5, (0.8, 0.9))
    wrong = Part.of({"kind": "Adam", "lr": -1.0}, kinds, "shop.toml [training], optimizer").make()
    words = r"^shop.toml \[training\], optimizer: Adam refuses its settings: Invalid learning rate: -1.0"
    with pytest.raises(ConfigError, match=words):
        wrong(weights)


def test_what_the_log_knows_is_given() -> None:
    schema = Schema(item="sku", context_features={"page": Categorical()})
    log = EventLog.read(wide(), schema)
    tower = Part.of({"kind": "ContextTower", "context": ["page"], "dim": 4}, offered(Tower), "[towers.user]")
    assert tower.make(log.users, log=log).config()["context"] == {"page": 241}
    sequence = Part.of({"kind": "SequenceTower", "dim": 4}, offered(Tower), "[towers.user]")
    assert sequence.make(log.users, log=log).dim == 4
    history = Part.of({"kind": "HistoryTower", "dim": 4}, offered(Tower), "[towers.item]")
    for side, other in ((log.users, log.items), (log.items, log.users)):
        made = history.make(side, log=log)
        assert (made.entities.key, len(made.others.weight)) == (side.key, len(other))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"kind": "Retreival"}, r"motet.toml \[\[tasks\]\] 2: there is no kind 'Retreival'; did you mean 'Retrieval'"),
        ({"kind": ["Retrieval"]}, r"motet.toml \[\[tasks\]\] 2: there is no kind \['Retrieval'\]; did you mean"),
        ({"name": "buy"}, r"motet.toml \[\[tasks\]\] 2 has no kind. Kinds: .*Rating"),
        (
            {"kind": "Retrieval", "temprature": 2},
            r"\[\[tasks\]\] 2: 'temprature' is not a setting of Retrieval; did you mean 'temperature'\? Settings",
        ),
        ({"kind": "Retrieval", "heads": "two"}, r"\[\[tasks\]\] 2: heads = 'two'; it must be a whole number\.$"),
        ({"kind": "Retrieval", "heads": True}, "heads = True; it must be a whole number"),
        ({"kind": "Retrieval", "temperature": "hot"}, r"temperature = 'hot'; it must be a number, or 'none'\.$"),
        (
            {"kind": "Retrieval", "reduction": "men"},
            "reduction = 'men'; it must be one of 'mean', 'sum'; did you mean 'mean'",
        ),
        ({"kind": "Rating", "hidden": 64}, "hidden = 64; it must be a list of whole numbers"),
        ({"kind": "Retrieval", "pool": 3}, "pool = 3; it must be a table of kind Catalogue or InBatch"),
        (
            {"kind": "Retrieval", "pool": {"spare": "batch"}},
            r"2, pool has no kind. Kinds: Catalogue, InBatch",
        ),
        (
            {"kind": "Retrieval", "positives": {"were": "x == 1"}},
            r"2, positives: 'were' is not a setting of Rows; did you mean 'where'\? Settings: where, weight",
        ),
    ],
)
def test_mistakes_name_file_table_and_key(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        task(**table)


def test_a_setting_in_place_of_a_kind() -> None:
    with pytest.raises(
        ConfigError, match=r"'PC-Grad'; did you mean kind = \"GradientBalancer\", method = \"pcgrad\"\? K"
    ):
        Part.of("PC-Grad", offered(Balancer), "[balancer]")


def test_a_setting_without_default_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"motet.toml \[split\]: random needs test\. "):
        Part.of({"kind": "random"}, SPLITS, "motet.toml [split]")


def test_a_part_is_a_table() -> None:
    with pytest.raises(ConfigError, match=r"\[split\] is 3; it must be a table with a kind, one of random, by_time"):
        Part.of(3, SPLITS, "[split]")


def test_what_a_constructor_refuses_has_the_place_in_front_once() -> None:
    with pytest.raises(ConfigError, match=r"^motet.toml \[\[tasks\]\] 2: heads=0; a user needs at least one query"):
        task(kind="Retrieval", heads=0).make()
    part = task(kind="Retrieval", pool={"kind": "InBatch", "hardest": 0})
    with pytest.raises(ConfigError, match=r"^motet.toml \[\[tasks\]\] 2, pool: hardest=0 negatives"):
        part.make()
