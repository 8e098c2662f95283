"""The table that makes labelled pairs from the log: the same as in Python, from training rows alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import tomlkit
import torch

from motet.compare import compare
from motet.compare.systems import contenders, seeds
from motet.data.masked_pairs import masked_pairs
from motet.data.mix import Mix
from motet.data.neighbours import Neighbours
from motet.data.pair_features import PairFeatures
from motet.data.split import random
from motet.errors import ConfigError, DataError
from motet.evaluation import evaluate
from motet.project import Project, check
from motet.recommender import Recommender

from .conftest import Tables

BOUGHT = "event == 'purchase'"
TOUCHED = "event in ['view', 'cart']"


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    """A project over a log without times."""
    generator = torch.Generator().manual_seed(4)
    draws = {"customer": 20, "product": 12, "kind": 4}
    log = pl.DataFrame({name: torch.randint(0, n, (300,), generator=generator).tolist() for name, n in draws.items()})
    kinds = pl.Series(["view", "view", "cart", "purchase"])
    log.with_columns(event=kinds.gather(log["kind"])).drop("kind").write_csv(tmp_path / "log.csv")
    tower = {"kind": "FeatureTower", "dim": 4}
    return {
        "data": {"events": "log.csv"},
        "schema": {"user": "customer", "item": "product", "event": "event"},
        "pairs": {"event": "purchase", "label": "bought", "rounds": 2},
        "split": {"kind": "random", "test": 0.2},
        "validation": {"kind": "random", "test": 0.1},
        "towers": {"user": tower, "item": tower},
        "tasks": [
            {"kind": "Retrieval", "name": "buy", "positives": BOUGHT},
            {
                "kind": "WithContext",
                "task": {"kind": "Event", "label": "bought", "hidden": [4]},
                "context": ["pair_view", "pair_cart", "item_purchase", "near_purchase"],
                "vectors": False,
            },
        ],
        "training": {"epochs": 2, "batch_size": 64},
        "recommend": {
            "seen": BOUGHT,
            "by": {"buy": 1},
            "retrieve": [{"kind": "Touched", "where": TOUCHED, "by": "bought"}, "buy"],
            "context": {"near": {"purchase": {"where": BOUGHT, "shrinkage": 1.0}}},
        },
    }


def project(folder: Path, tables: Tables, *changes: str) -> Project:
    path = folder / "shop.toml"
    path.write_text(tomlkit.dumps(tables))
    return Project.read(path, changes)


def test_the_file_gives_the_pairs_of_python(tmp_path: Path, tables: Tables) -> None:
    made = project(tmp_path, tables, "pairs.seed=5", "pairs.candidates=['view']")
    rows = made.divide(made.log())
    assert rows.pairs is not None
    train = random(random(made.log(), test=0.2).train, test=0.1).train
    assert len(train) == len(rows.train)
    expected = masked_pairs(
        train,
        "purchase",
        label="bought",
        candidates=["view"],
        rounds=2,
        seed=5,
        near=lambda known: {"purchase": Neighbours.of(known, where=BOUGHT, shrinkage=1.0)},
    )
    assert rows.pairs.columns.keys() == expected.columns.keys()
    for name, column in expected.columns.items():
        assert torch.equal(rows.pairs.columns[name], column)
    mix = made.mix(made.model(rows.train), rows)
    assert isinstance(mix, Mix)
    assert mix.ratio == (1.0, len(expected) / len(train))
    assert [("bought" in log.columns) for log in mix.logs] == [False, True]
    by_hand = project(tmp_path, tables, "pairs.ratio=0.25")
    mix = by_hand.mix(by_hand.model(rows.train), by_hand.divide(by_hand.log()))
    assert isinstance(mix, Mix)
    assert mix.ratio == (1.0, 0.25)


def test_it_trains_and_serves_counts_of_the_whole_training_log(tmp_path: Path, tables: Tables) -> None:
    made = project(tmp_path, tables)
    one, same = made.train(progress=False), made.divide(made.log())
    made.learn(model := made.model(same.train), same)
    assert all(torch.equal(weights, model.state_dict()[name]) for name, weights in one.model.state_dict().items())
    assert one.report is not None
    assert {"buy/unseen/hit_rate@10", "served/unseen/recall@10"} <= one.report.keys()
    assert one.history["loss/bought"].is_finite().all()
    assert "bought" not in one.rows.train.schema.columns  # the pairs are not events
    context = one.recommender.retrieval.context
    assert context is not None
    batch = one.rows.train.batch()
    near = {"purchase": Neighbours.of(one.rows.train, where=BOUGHT, shrinkage=1.0)}
    expected = PairFeatures(one.rows.train, near=near).columns(batch.users, batch.items)
    for name, column in context.columns(batch.users, batch.items).items():
        assert torch.equal(column, expected[name])
    one.recommender.save(tmp_path / "model")
    again, users = Recommender.load(tmp_path / "model"), one.recommender.users.vocab.ids.to_list()
    assert (again.recommend(users, 5).ids == one.recommender.recommend(users, 5).ids).all()
    held_out = again.encode(tmp_path / "log.csv")
    assert held_out.columns["bought"].isnan().all()
    assert torch.equal(
        held_out.columns["pair_view"], context.columns(held_out.batch().users, held_out.batch().items)["pair_view"]
    )
    judged = evaluate(again, held_out, train=again.log)
    assert judged["buy/unseen/mrr"] > 0
    assert math.isnan(judged["bought/auc"])


def test_a_head_learns_what_people_buy(tmp_path: Path, tables: Tables) -> None:
    """Everybody buys what they put into the cart, and views the rest."""
    rows = [(user, item, "view") for user in range(30) for item in range(user % 5, 12, 2)]
    carts = [(user, (user * 7) % 12) for user in range(30)]
    rows += [(*each, kind) for each in carts for kind in ("view", "cart", "purchase")]
    rows += [(user, (user * 5 + 1) % 12, "purchase") for user in range(30)]
    pl.DataFrame(rows, ["customer", "product", "event"], orient="row").write_csv(tmp_path / "log.csv")
    del tables["split"], tables["validation"]
    made = project(tmp_path, tables, "pairs.rounds=4", "pairs.ratio=2", "training.optimizer={kind='Adam', lr=0.05}")
    rows = made.divide(made.log())
    made.fit(model := made.model(rows.train), rows, epochs=8)
    assert rows.pairs is not None
    probs = model.cpu().score(rows.pairs.batch())["bought"]
    carted = rows.pairs.columns["pair_cart"] == 1
    assert probs[carted].min() > probs[~carted].max()


def test_nothing_is_learned_from_held_out_rows(tmp_path: Path, tables: Tables) -> None:
    made = project(tmp_path, tables)
    rows = made.divide(made.log())
    assert rows.pairs is not None
    assert rows.validation is not None
    assert rows.test is not None
    keys = [
        set(zip(*(log.columns[name].tolist() for name in ("customer", "product")), strict=True))
        for log in (rows.pairs, rows.train)
    ]
    assert keys[0] <= keys[1]
    for part in (rows.train, rows.validation, rows.test):
        assert part.columns["bought"].isnan().all()
        assert part.columns["pair_view"].isnan().all()


def test_the_check_says_how_many_pairs(tmp_path: Path, tables: Tables) -> None:
    made = project(tmp_path, tables)
    found, rows = check(made), made.divide(made.log())
    assert rows.pairs is not None
    positives, users = int(rows.pairs.columns["bought"].sum()), len(rows.pairs.columns["customer"].unique())
    assert (
        f"{len(rows.pairs)} pairs of {users} users are made from the training rows by masking 'purchase' events; "
        f"{positives} are positive. Held-out rows have no such label: judge what learns from it by the lists."
        in found.facts
    )
    assert found.rows["bought"] == {"train": len(rows.pairs), "validation": 0, "test": 0}
    assert found.warnings == []
    tables["tasks"][0] = {"kind": "Retrieval", "name": "buy"}
    everything = check(project(tmp_path, tables)).warnings
    assert (
        "task 'buy' reads no column of the events, so it learns from every pair as if it were an event; give it "
        "positives" in everything
    )
    unread = check(project(tmp_path, tables, "weights.bought=0")).warnings
    assert "no task learns from the pairs; add one that reads 'bought', or leave [pairs] out" in unread


def test_times_sequences_and_further_logs(tmp_path: Path, tables: Tables) -> None:
    log = pl.read_csv(tmp_path / "log.csv").with_row_index("time")
    log.write_csv(tmp_path / "log.csv")
    log.select("customer", "product", "time", stars=pl.col("time") % 5).head(50).write_csv(tmp_path / "stars.csv")
    tables["schema"]["time"] = "time"
    tables["split"] = {"kind": "by_time", "test": 0.2}
    tables["recent"] = {"length": 5}
    tables["towers"]["user"] = {"kind": "SequenceTower", "dim": 4, "length": 5}
    tables["mix"] = [{"events": "stars.csv", "schema": {"signals": ["stars"]}}]
    tables["tasks"].append({"kind": "Rating", "label": "stars"})
    made = project(tmp_path, tables)
    check(made)
    trained = made.train(progress=False)
    assert trained.history.select("loss/bought", "loss/stars", "loss/buy").min_horizontal().is_finite().all()
    assert trained.rows.pairs is not None
    assert trained.rows.pairs.columns["time"].max() <= trained.rows.train.columns["time"].max()
    mix = made.mix(trained.model, trained.rows)
    assert isinstance(mix, Mix)
    assert len(mix.logs) == 3


def test_without_times_no_row_counts_itself(tmp_path: Path, tables: Tables) -> None:
    """A further log whose rows state an event type: they are counted, so they have no counts."""
    del tables["pairs"]
    shown = pl.read_csv(tmp_path / "log.csv").with_columns(bought=1)
    shown.write_csv(tmp_path / "more.csv")
    shown.drop("event").write_csv(tmp_path / "labels.csv")
    tables["mix"] = [
        {"events": "more.csv", "schema": {"event": "event", "signals": ["bought"]}},
        {"events": "labels.csv", "schema": {"signals": ["bought"]}},
    ]
    made = project(tmp_path, tables)
    rows = made.divide(made.log())
    assert torch.equal(rows.train.columns["pair_view"].isnan(), rows.train.columns["log"] < 2)
    tables["mix"] = tables["mix"][:1]
    with pytest.raises(
        DataError, match=r"task 'bought' reads the context column 'pair_view', which is unknown in all of \d+ rows that"
    ):
        check(project(tmp_path, tables))


def test_it_can_be_compared(tmp_path: Path, tables: Tables) -> None:
    stopping: dict[str, Any] = {"metric": "buy/unseen/mrr"}
    tables["training"] = {"epochs": 1, "early_stopping": stopping}
    made = project(tmp_path, tables)
    assert [each["pairs.seed"] for each in seeds(made, 2)] == [0, 1]
    alone = {each.name: each.changes for each in contenders(made, made.model(made.divide(made.log()).train))}
    assert alone["bought only"]["training.early_stopping"] is None
    found = compare(made, seeds=1, jobs=1, draws=10, folder=tmp_path / "compared", progress=False)
    assert {"joint", "buy only", "bought only"} <= {system.name for system in found.systems}


def test_checkpoints_resume(tmp_path: Path, tables: Tables) -> None:
    made = project(tmp_path, tables, "training.epochs=3")
    rows = made.divide(made.log())
    whole, resumed = made.model(rows.train), made.model(rows.train)
    made.fit(whole, rows)
    for epochs in (1, 3):
        made.fit(resumed, rows, epochs=epochs, checkpoint=tmp_path / "run", resume=True)
    assert all(
        torch.equal(one, other)
        for one, other in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("pairs.evnt='x'", r"^shop.toml \[pairs\]: 'evnt' is not a setting of masked_pairs; did you mean 'event'"),
        (
            "pairs.ratoi=1",
            r"\[pairs\]: 'ratoi' is not a setting .* did you mean 'ratio'\? Settings: event, label, cand",
        ),
        ("pairs.ratio=0.0", r"^shop.toml \[pairs\]: ratio = 0.0; input should be greater than 0"),
        ("pairs={event='purchase'}", r"^shop.toml \[pairs\]: masked_pairs needs label. Name of the label column"),
        ("pairs.rounds='2'", r"^shop.toml \[pairs\]: rounds = '2'; it must be a whole number"),
        ("pairs=3", r"^shop.toml: pairs = 3; it must be a table"),
        ("recommend={}", r"\[pairs\]: the features of pairs .*; write context = {} in the table \[recommend\], wh"),
    ],
)
def test_a_mistake_in_the_file(tmp_path: Path, tables: Tables, change: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        project(tmp_path, tables, change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("pairs.event='purchse'", r"^shop.toml \[pairs\]: event names 'purchse', .* did you mean 'purchase'"),
        ("pairs.label='event'", r"\[pairs\]: label='event': the log already has a column of that name"),
        ("pairs.label='sold'", r"'bought', which is not in the log"),
        (
            "training.early_stopping.metric='bought/auc'",
            r"watches 'bought/auc', and no validation row is one of task 'b",
        ),
    ],
)
def test_what_does_not_suit_the_log(tmp_path: Path, tables: Tables, change: str, words: str) -> None:
    with pytest.raises((ConfigError, DataError), match=words):
        check(project(tmp_path, tables, change))
    with pytest.raises((ConfigError, DataError), match=words):
        project(tmp_path, tables, change, "training.epochs=100000").train(progress=False)
