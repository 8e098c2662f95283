"""The table that says what users get of the model."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import tomlkit
import torch

from motet.errors import ConfigError, DataError
from motet.project import Project, check
from motet.recommender import Recommender
from motet.retrievers import Alike, Touched

from .conftest import Tables, long

BOUGHT = "event == 'purchase'"
VIEWED = "event in ['view', 'cart']"


@pytest.fixture
def tables(folder: Path) -> Tables:
    """A project over the long log, with a further log of what was shown."""
    shown = long().select("customer", "product", pl.col("time") + 30, bought=pl.int_range(pl.len()) % 3 == 0)
    shown.write_parquet(folder / "shown.parquet")
    tower = {"kind": "FeatureTower", "dim": 4}
    return {
        "data": {"events": "long.csv"},
        "schema": {"user": "customer", "item": "product", "time": "time", "event": "event", "signals": ["value"]},
        "mix": [{"events": "shown.parquet", "schema": {"signals": ["bought"]}}],
        "split": {"kind": "by_time", "test": 0.25},
        "towers": {"user": tower, "item": tower},
        "tasks": [
            {"kind": "Retrieval", "name": "view", "positives": "event == 'view'"},
            {"kind": "Retrieval", "name": "buy", "positives": BOUGHT},
            {
                "kind": "WithContext",
                "task": {"kind": "Event", "label": "bought"},
                "context": ["pair_view", "item_purchase", "near_purchase"],
            },
        ],
        "training": {"epochs": 1, "batch_size": 64},
        "recommend": {
            "seen": BOUGHT,
            "by": {"buy": 1},
            "retrieve": [
                {"kind": "Touched", "where": VIEWED, "by": "bought"},
                {"kind": "Alike", "near": {"where": VIEWED, "shrinkage": 1.0}, "where": BOUGHT},
                ["view", "buy"],
            ],
            "context": {"near": {"purchase": {"where": VIEWED, "most": 5}}},
        },
    }


def project(folder: Path, tables: Tables, *changes: str) -> Project:
    path = folder / "shop.toml"
    path.write_text(tomlkit.dumps(tables))
    return Project.read(path, changes)


def test_it_says_what_python_says(folder: Path, tables: Tables) -> None:
    trained = project(folder, tables).train(progress=False)
    found = trained.recommender
    assert found.by == {"view": 0.0, "buy": 1.0, "bought": 0.0}
    assert found.retrieval.seen == BOUGHT
    touched, alike = (stage[0] for stage in found.retrieval.stages[:2])
    assert isinstance(touched, Touched)
    assert (touched.where, touched.by) == (VIEWED, "bought")
    assert isinstance(alike, Alike)
    assert alike.where == BOUGHT
    assert found.retrieval.stages[2] == ("view", "buy")
    assert found.retrieval.context is not None
    again = Recommender(
        trained.model,
        trained.rows.train,
        by={"buy": 1.0},
        seen=BOUGHT,
        retrieve=[touched, alike, ["view", "buy"]],
        context=found.retrieval.context,
    )
    users = found.users.vocab.ids.to_list()
    assert (found.recommend(users, 5).ids == again.recommend(users, 5).ids).all()
    assert trained.report is not None
    assert "served/unseen/recall@10" in trained.report


def test_rows_are_told_what_came_before_them(folder: Path, tables: Tables) -> None:
    made = project(folder, tables)
    log = made.log()
    rows = made.divide(log)
    assert rows.test is not None
    for part in (rows.train, rows.test):
        viewed = rows.train.take(rows.train.columns["event"] == int(log.vocabs["event"].encode(["view"])[0]))
        for place in range(0, len(part), 17):
            user, item, time = (part.columns[name][place] for name in ("customer", "product", "time"))
            earlier = (viewed.columns["customer"] == user) & (viewed.columns["product"] == item)
            assert bool(part.columns["pair_view"][place]) == bool((earlier & (viewed.columns["time"] < time)).any())


def test_without_moments_only_further_rows_are_told(folder: Path, tables: Tables) -> None:
    tables["split"] = {"kind": "random", "test": 0.2}
    del tables["schema"]["time"]
    rows = project(folder, tables).divide(project(folder, tables).log())
    assert torch.equal(rows.train.columns["pair_view"].isnan(), rows.train.columns["log"] == 0)
    project(folder, tables).train(progress=False)
    del tables["mix"]
    with pytest.raises(
        ConfigError, match=r"shop.toml \[recommend\], context: the counts of a row would include the row itself"
    ):
        project(folder, tables)


def test_the_check_says_what_would_be_shown(folder: Path, tables: Tables) -> None:
    found = check(project(folder, tables))
    assert "An item counts as seen by event == 'purchase': " in " ".join(found.facts)
    assert (
        "Candidates: Touched(event in ['view', 'cart']), then Alike(event == 'purchase'), then view and buy."
        in found.facts
    )
    pointless = check(project(folder, tables, "recommend.seen=\"event != 'review'\""))
    assert (
        "Touched(event in ['view', 'cart']) finds nothing: all of its items count as seen by event != 'review'"
        in pointless.warnings
    )
    nothing = check(project(folder, tables, "recommend.seen=\"event == 'view' and value > 0\""))
    assert (
        "nothing counts as seen: no training row meets event == 'view' and value > 0, so items that users had are "
        "recommended again" in nothing.warnings
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("recommend.sen=x", r"^shop.toml \[recommend\]: 'sen' is not a setting of Recommender; did you mean 'seen'"),
        ("recommend.seen=3", r"^shop.toml \[recommend\]: seen = 3; it must be text"),
        (
            "recommend.retrieve=[{kind='Touch'}]",
            r"\[recommend\], retrieve 1: there is no kind 'Touch'; did you mean 'Tou",
        ),
        (
            "recommend.retrieve=[{kind='Touched'}]",
            r"\[recommend\], retrieve 1: Touched needs where. The condition that",
        ),
        ("recommend.retrieve=[['buy', 3]]", r"\[recommend\]: retrieve 1 2 = 3; it must be text or a table of kind"),
        ("recommend.context.near.purchase.mots=5", r"'mots' is not a setting of Neighbours; did you mean 'most'"),
        ("recommend.index=x", r"\[recommend\]: 'index' is not a setting of Recommender"),
        ("recomend.seen=x", r"^shop.toml: there is no table 'recomend'; did you mean 'recommend'"),
    ],
)
def test_a_typo_names_file_and_table(folder: Path, tables: Tables, change: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        project(folder, tables, change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "recommend.by={bye=1}",
            r"^shop.toml \[recommend\]: by names 'bye', which is no task of the model; did you mean 'b",
        ),
        ("recommend.retrieve=['by']", r"\[recommend\]: retrieve names 'by', which is no task that ranks .* mean 'buy'"),
        ("recommend.seen=event = 'buy'", r"\[recommend\]: .* cannot be read as a condition"),
        (
            "tasks.3.context=['value']",
            r"\[recommend\]: task 'bought' reads 'value' of a user with an item, which a requ",
        ),
        (
            "recommend.context.near={puchase={}}",
            r"\[recommend\], context: near='puchase' is not an event type .* mean 'purchase'",
        ),
    ],
)
def test_what_does_not_fit_is_found_before_training(folder: Path, tables: Tables, change: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check(project(folder, tables, change))
    with pytest.raises(ConfigError, match=words):
        project(folder, tables, change, "training.epochs=100000").train(progress=False)


def test_kinds_that_are_not_there(folder: Path, tables: Tables) -> None:
    with pytest.raises(DataError, match=r"\[recommend\]: condition .* with 'buy', which it never is\. .*'purchase'"):
        check(project(folder, tables, "recommend.seen=\"event == 'buy'\""))
