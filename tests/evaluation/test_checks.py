"""What `evaluate` refuses before anything is computed."""

from __future__ import annotations

import polars as pl
import pytest

from motet import FeatureTower, Model, split
from motet.baselines import GlobalMean, Popularity
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError
from motet.evaluation import evaluate
from motet.tasks import Rating
from motet.towers import ContextTower

from .conftest import build


@pytest.mark.usefixtures("unchecked_types")
def test_unknown_protocol_is_refused(parts: split.Split) -> None:
    train, test = parts
    with pytest.raises(ConfigError, match=r"protocol 'unsen' is not one of all items, unseen; did you mean 'unseen'\?"):
        evaluate(Popularity(train), test, train=train, protocols=["unsen"])  # type: ignore[list-item]


def test_no_rows_are_refused(parts: split.Split) -> None:
    with pytest.raises(DataError, match="there are no test rows; give at least one"):
        evaluate(Popularity(parts.train), parts.test.take(slice(0)), train=parts.train)


def test_logs_of_different_readings_are_refused(parts: split.Split) -> None:
    train, _ = parts
    rule = Popularity(train)
    words = "the training log knows 12 users, and the test log numbers 1 differently; take both from one split, or read"
    with pytest.raises(DataError, match=words):
        evaluate(rule, EventLog.read(pl.DataFrame({"user_id": [1], "item_id": [1]}), Schema()), train=train)
    frame = train.frame()
    others = EventLog.read(frame.with_columns(pl.col("item_id") + 1000), train.schema)  # as many, and others
    assert len(others.items) == len(train.items)
    with pytest.raises(DataError, match="the training log knows 30 items, and the test log numbers 30 differently"):
        evaluate(rule, others, train=train)
    with pytest.raises(DataError, match=r"'popularity' knows 30 items, .* 30 differently; read the test with encode"):
        evaluate(rule, others, train=others)
    renamed = EventLog.read(frame.rename({"item_id": "sku"}), Schema(item="sku", signals=("rating",)))
    with pytest.raises(
        DataError, match="training log has items in 'item_id', and the test log has them in 'sku'; take"
    ):
        evaluate(rule, renamed, train=train)


def test_absent_label_is_refused(parts: split.Split) -> None:
    train, test = parts
    del test.columns["rating"]
    for system, name in ((build(train, Rating("rating")), "rating"), (GlobalMean(train), "global mean")):
        with pytest.raises(DataError, match=f"'{name}' needs column 'rating', which is not in the test log"):
            evaluate(system, test, train=train)


def test_a_model_of_another_log_is_refused(parts: split.Split) -> None:
    train, test = parts
    frame = pl.DataFrame({"user_id": range(9), "item_id": range(9), "rating": 1.0, "weight": 1.0, "click": 1.0})
    other = EventLog.read(frame, Schema(signals=("rating", "weight", "click")))
    with pytest.raises(
        DataError, match=r"the model knows 9 users, and the test log numbers 12 differently; read the test"
    ):
        evaluate(build(other, Rating("rating")), test, train=train)
    renamed = EventLog.read(frame.rename({"user_id": "who"}), Schema(user="who", signals=("rating",)))
    with pytest.raises(DataError, match="the model has users in 'who', and the test log has them in 'user_id'; read"):
        evaluate(build(renamed, Rating("rating")), test, train=train)


def test_absent_context_is_refused(parts: split.Split) -> None:
    train, test = parts
    user = ContextTower(train.users, dim=4, context={"hour": "numeric"})
    model = Model(user=user, item=FeatureTower(train.items, dim=4), tasks=[Rating("rating")])
    columns = {name: column for name, column in test.columns.items() if name != "hour"}
    without = EventLog(test.schema, test.users, test.items, columns)
    with pytest.raises(
        DataError, match=r"the context 'hour' of users, which is not in the test log\. Read it with the"
    ):
        evaluate(model, without, train=train)
