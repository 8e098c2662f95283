"""Listwise: its contract, its mean, and that it learns an order."""

from __future__ import annotations

from functools import partial
from itertools import product

import polars as pl
import pytest
import torch

from motet import FeatureTower, Model, evaluate, fit
from motet.data.batch import distinct
from motet.data.log import EventLog
from motet.data.schema import Categorical, Schema
from motet.errors import ConfigError, DataError
from motet.layers.lists import Lists
from motet.tasks import Listwise, Rows
from motet.testing import check_task

LOSSES = ("listmle", "lambda", "hinge", "logistic")


def model_of(log: EventLog, task: Listwise) -> Model:
    torch.manual_seed(0)
    return Model(user=FeatureTower(log.users, dim=8), item=FeatureTower(log.items, dim=8), tasks=[task])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "arguments", [{}, {"product": True, "biases": True, "hidden": ()}, {"where": "rating < 5"}, {"by": "weight"}]
)
def test_contract(log: EventLog, loss: str, arguments: dict[str, object]) -> None:
    # A pair that is listed twice has one score, up to rounding, which may rank either label first.
    once = distinct(log.batch().users * len(log.items) + log.batch().items).first
    log = log.take(once.sort().values)
    log.columns["weight"].mul_(4).floor_()
    check_task(partial(Listwise, "rating", loss=loss, **arguments), log)  # type: ignore[arg-type]


@pytest.mark.parametrize("loss", LOSSES)
def test_knowing_nothing_costs_one(log: EventLog, loss: str) -> None:
    model = model_of(log, Listwise("rating", loss=loss, hidden=()))  # type: ignore[arg-type]
    task = model.tasks["rating"]
    assert isinstance(task, Listwise)
    torch.nn.init.zeros_(task.head.layers[-1].weight)
    for rows in (log, log.take(slice(0, 20)), log.take(slice(0, 7))):
        batch = rows.batch()
        assert model.losses(batch)["rating"].item() == pytest.approx(1, rel=1e-5)
        lists = Lists.of(batch["rating"], batch.users)
        counted = sum(
            len(labels)
            for labels in batch["rating"][lists.rows].split(lists.sizes.tolist())
            if len(labels.unique()) > 1
        )
        assert task.training_weights(batch).sum() == counted


def test_rows_without_another_label_in_their_list_have_no_loss_and_no_weight(log: EventLog) -> None:
    model = model_of(log, Listwise("rating"))
    alone = log.take(torch.tensor([1])).batch()
    assert model.losses(alone)["rating"].item() == 0
    two = log.take(torch.tensor([1, 2, 3, 4])).batch()
    weights = model.tasks["rating"].training_weights(two)
    for row, user in enumerate(two.users):
        assert bool(weights[row]) == (len(two["rating"][two.users == user].unique()) > 1)


def test_lists_of_two_users_are_apart_whatever_their_numbers() -> None:
    """`sessions` counts those of each user from 1, and a row without a number is in no list."""
    events = {
        "user_id": [1, 1, 2, 2, 2, 2],
        "item_id": [1, 2, 1, 2, 3, 4],
        "rating": [5.0, 5.0, 1.0, 2.0, 3.0, 4.0],
        "session": [1.0, 1.0, 1.0, 1.0, None, None],
    }
    log = EventLog.read(pl.DataFrame(events), Schema(signals=("rating", "session")))
    model = model_of(log, Listwise("rating", by="session"))
    batch = log.batch()
    assert model.tasks["rating"].training_weights(batch).tolist() == [0, 0, 1, 1, 0, 0]
    torch.testing.assert_close(model.losses(batch), model.losses(log.take(torch.tensor([2, 3])).batch()))


def test_rows_of_an_unknown_category_are_no_list() -> None:
    events = {
        "user_id": [1, 1, 1, 1],
        "item_id": [1, 2, 3, 4],
        "rating": [1.0, 2.0, 3.0, 4.0],
        "device": ["tv", "tv", None, None],
    }
    schema = Schema(signals=("rating",), context_features={"device": Categorical()})
    log = EventLog.read(pl.DataFrame(events), schema)
    task = model_of(log, Listwise("rating", by="device")).tasks["rating"]
    assert task.training_weights(log.batch()).tolist() == [1, 1, 0, 0]


def test_unknown_users_are_not_one_user() -> None:
    events = pl.DataFrame({"user_id": [1, 1], "item_id": [1, 2], "rating": [1.0, 2.0]})
    log = EventLog.read(events, Schema(signals=("rating",)))
    task = model_of(log, Listwise("rating")).tasks["rating"]
    strangers = pl.DataFrame({"user_id": [1, 1, 8, 9], "item_id": [1, 2, 1, 2], "rating": [1.0, 2.0, 3.0, 4.0]})
    batch = log.encode(strangers).batch()
    assert task.training_weights(batch).tolist() == task.row_weights(batch).tolist() == [1, 1, 0, 0]


def test_weights_weigh_a_rows_part(log: EventLog) -> None:
    plain, weighted = (model_of(log, Listwise("rating", where=rows)) for rows in (None, Rows(weight="weight")))
    batch = log.batch()
    losses = plain.tasks["rating"].loss(*plain(batch), batch)
    weights = weighted.tasks["rating"].training_weights(batch)
    torch.testing.assert_close(weighted.losses(batch)["rating"], losses.dot(weights) / weights.sum())


@pytest.mark.parametrize("loss", LOSSES)
def test_it_learns_an_order_that_users_differ_in(loss: str) -> None:
    pairs = list(product(range(16), range(12)))
    events = {
        "user_id": [user for user, _ in pairs],
        "item_id": [item for _, item in pairs],
        "grade": [float((item if user % 2 else 11 - item) // 4) for user, item in pairs],
    }
    log = EventLog.read(pl.DataFrame(events), Schema(signals=("grade",)))
    model = model_of(log, Listwise("grade", loss=loss, product=True))  # type: ignore[arg-type]
    before = evaluate(model, log, train=log)["grade/list_ndcg"]
    fit(model, log, epochs=40, batch_size=96, optimizer=lambda p: torch.optim.Adam(p, lr=0.03), progress=False)
    assert before < 0.9
    assert evaluate(model, log, train=log)["grade/list_ndcg"] > 0.99
    assert evaluate(model, log, train=log)["grade/list_ndcg@10"] > 0.99


@pytest.mark.usefixtures("unchecked_types")
def test_refusals() -> None:
    with pytest.raises(ConfigError, match="loss='ndcg' is not one of 'listmle', 'lambda', 'hinge', 'logistic'"):
        Listwise("rating", loss="ndcg")  # type: ignore[arg-type]
    events = {"user_id": [1, 1, 2], "item_id": [1, 2, 3], "rating": [3.0, 3.0, 4.0]}
    log = EventLog.read(pl.DataFrame(events), Schema(signals=("rating",)))
    with pytest.raises(
        DataError, match="'rating' has no order to learn: no two of its rows with the same 'user_id' differ in 'rating'"
    ):
        fit(model_of(log, Listwise("rating")), log, progress=False)
