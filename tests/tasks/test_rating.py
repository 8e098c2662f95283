"""Rating: the head, the biases, the missing labels."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError
from motet.model import Model
from motet.tasks import Rating, Rows
from motet.towers import FeatureTower


def model_of(log: EventLog, task: Rating, *, item_dim: int = 4) -> Model:
    torch.manual_seed(0)
    user = FeatureTower(log.users, dim=4, init_scale=1.0)
    item = FeatureTower(log.items, dim=item_dim, init_scale=1.0)
    model = Model(user=user, item=item, tasks=[task])
    model.prepare(log)
    return model


@pytest.mark.parametrize(
    ("error", "of"),
    [
        ("squared", lambda gap: gap**2),
        ("absolute", abs),
        ("huber", lambda gap: gap**2 / 2 if abs(gap) <= 1 else abs(gap) - 0.5),
    ],
)
def test_a_row_costs_its_error_and_a_row_without_label_nothing(log: EventLog, error: str, of) -> None:  # type: ignore[no-untyped-def]
    task = Rating(error=error, hidden=(8,))  # type: ignore[arg-type]
    model, batch = model_of(log, task), log.batch()
    losses = task.loss(*model(batch), batch)
    scores = model.score(batch)["rating"]
    for loss, score, label in zip(losses.tolist(), scores.tolist(), batch["rating"].tolist(), strict=True):
        assert loss == pytest.approx(0.0 if label != label else of(score - label), rel=1e-4)


def test_missing_labels_change_neither_loss_nor_gradient_of_the_others(log: EventLog) -> None:
    model = model_of(log, Rating(hidden=(8,), product=True, biases=True))
    batch = log.batch()
    labelled = batch.take(~batch["rating"].isnan())
    grads = []
    for rows in (batch, labelled):
        loss = model.losses(rows)["rating"]
        grads.append([loss, *torch.autograd.grad(loss, list(model.parameters()))])
    for every, some in zip(*grads, strict=True):
        torch.testing.assert_close(every, some)


def test_row_weights_make_a_weighted_mean(log: EventLog) -> None:
    task = Rating(where=Rows(weight="weight"), hidden=())
    model, batch = model_of(log, task), log.batch()
    losses = task.loss(*model(batch), batch)
    weights = batch["weight"] * ~batch["rating"].isnan()
    torch.testing.assert_close(model.losses(batch)["rating"], (losses * weights).sum() / weights.sum())


def test_biases_start_at_the_mean_label_and_only_once(log: EventLog) -> None:
    task = Rating(biases=True, hidden=())
    model, batch = model_of(log, task), log.batch()
    labels = batch["rating"]
    assert task.mean.item() == pytest.approx(labels[~labels.isnan()].mean().item())
    model.prepare(log.take(slice(0, 5)))
    assert task.mean.item() == pytest.approx(labels[~labels.isnan()].mean().item())


def test_a_row_of_weight_0_moves_neither_the_mean_nor_the_range() -> None:
    stars = pl.DataFrame(
        {"user_id": [1, 2, 3], "item_id": [5, 5, 6], "stars": [4.0, 2.0, -999.0], "w": [3.0, 1.0, 0.0]}
    )
    log = EventLog.read(stars, Schema(signals=("stars", "w")))
    task = Rating("stars", biases=True, where=Rows(weight="w"))
    model_of(log, task)
    assert float(task.mean) == 3.5
    assert task.unit.ends == [2.0, 4.0]


def test_clip_bounds_scores_but_not_gradients(log: EventLog) -> None:
    task = Rating(clip=(2.9, 3.1), hidden=())
    model, batch = model_of(log, task), log.batch()
    scores = model.score(batch)["rating"]
    assert scores.min() >= 2.9
    assert scores.max() <= 3.1
    loss = model.losses(batch)["rating"]
    assert all(gradient.any() for gradient in torch.autograd.grad(loss, list(task.parameters())))


@pytest.mark.usefixtures("unchecked_types")
def test_errors(log: EventLog) -> None:
    with pytest.raises(ConfigError, match=r"error='square' is not one of .*; did you mean 'squared'"):
        Rating(error="square")  # type: ignore[arg-type]
    for clip in ((5, 1), (1,), (1, 2, 3)):
        with pytest.raises(ConfigError, match=r"must be .lowest, highest."):
            Rating(clip=clip)
    with pytest.raises(ConfigError, match="their widths differ: 4 and 6"):
        model_of(log, Rating(product=True), item_dim=6)
