"""No figure stands alone: each task is judged beside a rule that knows nothing of users."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
import torch

from motet import FeatureTower, Model, split
from motet.baselines import GlobalMean, ItemKNN, Popularity, UserItemBias
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.evaluation import evaluate
from motet.evaluation.rules import popularity
from motet.tasks import (
    BPR,
    Event,
    Funnel,
    Listwise,
    Ordinal,
    Rating,
    Retrieval,
    Rows,
    SampledBinary,
    Task,
    WholeCatalogue,
)

ROWS = 300


@pytest.fixture(scope="module")
def parts() -> split.Split:
    """Items of the higher number are better liked."""
    generator = torch.Generator().manual_seed(0)
    users, items, noise = (torch.randint(high, (ROWS,), generator=generator) for high in (12, 20, 3))
    clicked = torch.randint(2, (ROWS,), generator=generator)
    columns = {
        "user_id": users,
        "item_id": items,
        "stars": 1 + items // 7 + noise,
        "clicked": clicked,
        "bought": clicked * torch.randint(2, (ROWS,), generator=generator),
    }
    frame = pl.DataFrame({name: column.tolist() for name, column in columns.items()})
    log = EventLog.read(frame, Schema(signals=("stars", "clicked", "bought")))
    return split.random(log, test=100, seed=1)


@pytest.mark.parametrize(
    ("task", "rule"),
    [
        (lambda: Retrieval(), "popularity"),
        (lambda: BPR(), "popularity"),
        (lambda: SampledBinary(), "popularity"),
        (lambda: WholeCatalogue(), "popularity"),
        (lambda: Rating("stars"), "global mean"),
        (lambda: Ordinal("stars"), "global mean"),
        (lambda: Event("clicked"), "global mean"),
        (lambda: Funnel(stages=("clicked", "bought")), "global mean"),
        (lambda: Listwise("stars"), "item mean"),
        (lambda: Listwise("stars", where="clicked == 1"), "item mean"),
    ],
)
def test_every_figure_stands_beside_a_rule(parts: split.Split, task: Callable[[], Task], rule: str) -> None:
    train, test = parts
    made = task()
    model = Model(user=FeatureTower(train.users, dim=4), item=FeatureTower(train.items, dim=4), tasks=[made])
    model.prepare(train)
    report = evaluate(model, test, train=train)
    assert {key for key in report if key.startswith(made.name)} <= report.beside[rule].keys()


def test_lists_are_ordered_by_the_mean_label_of_their_items(parts: split.Split) -> None:
    train, test = parts
    user, item = FeatureTower(train.users, dim=4), FeatureTower(train.items, dim=4)
    model = Model(user=user, item=item, tasks=[Listwise("stars")])
    rule = evaluate(model, test, train=train).beside["item mean"]
    batch = test.batch()
    means = torch.zeros(len(train.items))
    overall = train.columns["stars"].mean()
    for row in range(len(train.items)):
        stars = train.columns["stars"][train.columns["item_id"] == row]
        means[row] = (stars.sum() + 5 * overall) / (len(stars) + 5)
    (metric,) = [each for name, each in model.tasks["stars"].metrics().items() if name == "list_ndcg"]
    metric.update(means[batch.items], batch["stars"], batch.users)  # type: ignore[attr-defined]
    assert rule["stars/list_ndcg"] == pytest.approx(metric.compute())


def test_only_what_a_task_predicts_makes_an_item_popular() -> None:
    """Item 1 is returned by everybody, item 2 bought most, item 3 only shown."""
    kinds = {1: ["buy", "return", "return"], 2: ["buy", "buy"], 3: ["show"] * 5}
    rows = [(user, item, kind) for user in range(6) for item, each in kinds.items() for kind in each]
    log = EventLog.read(pl.DataFrame(rows, ["user_id", "item_id", "event"], orient="row"), Schema(event="event"))
    buy = Retrieval("buy", positives="event == 'buy'", negatives="event == 'return'")
    assert popularity(log, buy).popularity.tolist() == [0, 6, 12, 0]
    assert popularity(log, Retrieval(positives=Rows())).popularity.tolist() == [0, 18, 12, 30]
    assert popularity(log, buy, Retrieval("show", positives="event == 'show'")).popularity.tolist() == [0, 18, 12, 30]
    shown = log.take(log.columns["item_id"] == 3)
    assert popularity(shown, buy).popularity.tolist() == [0, 0, 0, 30], "no row is a positive"
    model = Model(user=FeatureTower(log.users, dim=2), item=FeatureTower(log.items, dim=2), tasks=[buy])
    model.prepare(log)
    report = evaluate(model, log, train=log, protocols=["all items"])
    assert report.beside["popularity"]["buy/all items/hit_rate@1"] == pytest.approx(12 / 18)


def test_popularity_stands_beside_another_baseline(parts: split.Split) -> None:
    """It counts the same rows, judges the same test rows, and lists are made without the same items."""
    train, test = parts
    clicked = "clicked == 1"
    report = evaluate(ItemKNN(train, name="near", where=clicked), test, train=train, slices=["users"])
    alone = evaluate(Popularity(train, name="near", where=clicked), test, train=train, slices=["users"])
    assert report.beside["popularity"].figures == alone.figures
    assert report.slices["users: heavy"].beside["popularity"].figures == alone.slices["users: heavy"].figures
    assert not alone.beside
    assert not evaluate(ItemKNN(train), test, train=train, baselines=False).beside


def test_the_global_mean_stands_beside_a_baseline_of_ratings(parts: split.Split) -> None:
    train, test = parts
    report = evaluate(UserItemBias(train, "stars", name="biases", where="clicked == 1"), test, train=train)
    alone = evaluate(GlobalMean(train, "stars", name="biases", where="clicked == 1"), test, train=train)
    assert report.beside["global mean"].figures == alone.figures
    assert not alone.beside
