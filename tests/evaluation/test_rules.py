"""No figure stands alone: each task is judged beside a rule that knows nothing of users."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
import torch

from motet import FeatureTower, Model, split
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.evaluation import evaluate
from motet.tasks import BPR, Event, Funnel, Listwise, Ordinal, Rating, Retrieval, SampledBinary, Task, WholeCatalogue

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
