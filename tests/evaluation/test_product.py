"""What `evaluate` says of a whole product: tasks, lists, curves and warnings."""

from __future__ import annotations

import json

import polars as pl
import pytest
import torch

from motet import FeatureTower, Model, Recommender, Schema, evaluate, split
from motet.baselines import GlobalMean, Popularity
from motet.data.log import EventLog
from motet.data.schema import Numeric
from motet.errors import ConfigError
from motet.metrics import reliability_curve
from motet.tasks import Event, Funnel, Ordinal, Rating, Retrieval, WithContext

ROWS = 300
FIGURES = ("hit_rate", "recall", "precision", "ndcg", "mrr", "coverage", "gini", "novelty", "popularity_lift")


@pytest.fixture(scope="module")
def parts() -> split.Split:
    generator = torch.Generator().manual_seed(0)
    clicked = (torch.rand(ROWS, generator=generator) < 0.4).float()
    bought = clicked * (torch.rand(ROWS, generator=generator) < 0.5)
    frame = pl.DataFrame(
        {
            "user_id": torch.randint(15, (ROWS,), generator=generator).tolist(),
            "item_id": torch.randint(40, (ROWS,), generator=generator).tolist(),
            "time": list(range(ROWS)),
            "clicked": clicked.tolist(),
            "bought": bought.tolist(),
            "stars": torch.randint(1, 5, (ROWS,), generator=generator).double().tolist(),
            "receipt": bought.tolist(),
        }
    )
    signals = ("clicked", "bought", "stars")
    schema = Schema(time="time", signals=signals, context_features={"receipt": Numeric()})
    return split.random(EventLog.read(frame, schema), test=0.3, seed=0)


def build(train: EventLog) -> Model:
    torch.manual_seed(0)
    tasks = [
        Retrieval(positives="clicked == 1"),
        Event("clicked", hidden=()),
        Funnel(stages=("clicked", "bought"), hidden=()),
        Ordinal("stars", hidden=()),
    ]
    model = Model(user=FeatureTower(train.users, dim=4), item=FeatureTower(train.items, dim=4), tasks=tasks)
    model.prepare(train)
    return model


def test_lists_stand_beside_those_of_popularity(parts: split.Split) -> None:
    train, test = parts
    recommender = Recommender(build(train), train)
    report = evaluate(recommender, test, train=train, ks=(3, 8))
    tasks = evaluate(recommender.model, test, train=train, ks=(3, 8))
    assert {key: report[key] for key in tasks} == dict(tasks)
    keys = {f"served/unseen/{name}@{k}" for name in (*FIGURES, "diversity") for k in (3, 8)}
    assert report.keys() - tasks.keys() == keys
    popular = Popularity(train, where="clicked == 1")  # as the task that retrieves
    alone = evaluate(popular, test, train=train, ks=(3, 8), positives="clicked == 1")
    for key in keys - {f"served/unseen/diversity@{k}" for k in (3, 8)}:  # a rule has no vectors
        assert report.beside["popularity"][key] == alone[key]
    assert report.interval("served/unseen/ndcg@8").low <= report["served/unseen/ndcg@8"]
    assert any(note.startswith("served: the 8 items that `recommend` gives each of ") for note in report.notes)


def test_positives_are_the_rows_of_a_condition(parts: split.Split) -> None:
    train, test = parts
    recommender = Recommender(build(train), train)
    default, clicks, buys = (
        evaluate(recommender, test, train=train, positives=condition, thorough=False)
        for condition in (None, "clicked == 1", "bought == 1")
    )
    assert dict(default) == dict(clicks)
    assert buys.judged("served/unseen/mrr@10").rows < clicks.judged("served/unseen/mrr@10").rows
    with pytest.raises(ConfigError, match=r"a Model serves none; evaluate Recommender\(model, train\)"):
        evaluate(recommender.model, test, train=train, positives="clicked == 1")
    with pytest.raises(ConfigError, match="a GlobalMean serves none"):
        evaluate(GlobalMean(train, "stars"), test, train=train, positives="clicked == 1")


def test_curves_of_every_probability(parts: split.Split) -> None:
    train, test = parts
    model = build(train)
    report = evaluate(model, test, train=train, baselines=False)
    names = ["clicked", "funnel/clicked", "funnel/bought", *(f"stars/>= {level}" for level in (2, 3, 4))]
    assert set(report.curves) == {f"{name}/{by}" for name in names for by in ("width", "mass")}
    assert json.loads(report.to_json())["curves"]["clicked/mass"]["rows"] == list(report.curves["clicked/mass"].rows)
    with torch.no_grad():
        probs = model.eval().score_parts("stars", test.batch())[">= 3"]
    happened = (test.columns["stars"] >= 3).float()
    assert report.curves["stars/>= 3/mass"] == reliability_curve(probs, happened)
    gaps = zip(*(vars(report.curves["clicked/width"])[name] for name in ("rows", "predicted", "observed")), strict=True)
    ece = sum(rows * abs(predicted - observed) for rows, predicted, observed in gaps) / len(test)
    assert ece == pytest.approx(report["clicked/ece"], rel=1e-4)


def test_curves_of_levels_that_read_the_context_of_a_row(parts: split.Split) -> None:
    train, test = parts
    model = Model(
        user=FeatureTower(train.users, dim=2, features=()),
        item=FeatureTower(train.items, dim=2, features=()),
        tasks=[WithContext(Ordinal("stars", hidden=()), ["bought"])],
    )
    model.prepare(train)
    report = evaluate(model, test, train=train, baselines=False)
    assert set(report.curves) == {f"stars/>= {level}/{by}" for level in (2, 3, 4) for by in ("width", "mass")}


def test_warnings_are_lines_below_the_table(parts: split.Split) -> None:
    train, test = parts
    report = evaluate(build(train), test, train=train, baselines=False)
    later, told = report.warnings
    assert "test rows precede a training row of the same user" in later
    assert told.startswith("context 'receipt' predicts the label 'bought': AUC 1.0000")
    assert f"warning: {told}" in str(report)
    assert json.loads(report.to_json())["warnings"] == report.warnings
    quick = evaluate(build(train), test, train=train, baselines=False, thorough=False)
    assert (quick.warnings, quick.curves) == ([], {})


def test_a_scorer_that_returns_the_label_is_too_good(parts: split.Split) -> None:
    train, test = parts

    class Cheat(Rating):
        def head_score(self, inputs: object, batch: object) -> torch.Tensor:  # noqa: ARG002
            return batch["stars"]  # type: ignore[index, no-any-return]

    towers = {"user": FeatureTower(train.users, dim=2), "item": FeatureTower(train.items, dim=2)}
    model = Model(**towers, tasks=[Cheat("stars")])  # type: ignore[arg-type]
    report = evaluate(model, test, train=train)
    assert any(warning.startswith("stars/rmse is 0, which is too good to be true") for warning in report.warnings)


@pytest.mark.usefixtures("unchecked_types")
def test_what_neither_recommends_nor_scores_is_refused(parts: split.Split) -> None:
    train, test = parts
    with pytest.raises(ConfigError, match="a dict cannot be evaluated; give a Model, a Recommender, a baseline"):
        evaluate({}, test, train=train)  # type: ignore[arg-type]
