"""Ordinal: thresholds that ascend, start where the rows have them, and move."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError
from motet.model import Model
from motet.tasks import Ordinal, Rows
from motet.towers import FeatureTower
from motet.train import fit


def log_of(stars: list[float | None]) -> EventLog:
    rows = range(len(stars))
    frame = {"user_id": [row % 4 for row in rows], "item_id": [row // 4 for row in rows], "rating": stars}
    return EventLog.read(pl.DataFrame(frame), Schema(signals=("rating",)))


def model_of(log: EventLog, task: Ordinal, scale: float = 0.0) -> Model:
    torch.manual_seed(0)
    sides = (FeatureTower(side, dim=4, init_scale=scale) for side in (log.users, log.items))
    return Model(user=next(sides), item=next(sides), tasks=[task])


STARS = [1.0, 2.0, 2.0, 5.0, 5.0, 5.0, 5.0, None, 4.0, 4.0] * 40


def test_starts_from_the_frequencies_of_the_levels_it_finds() -> None:
    log, task = log_of(STARS), Ordinal()
    model = model_of(log, task)
    model.prepare(log)
    assert task.levels == (1, 2, 4, 5)
    expected = torch.tensor([1 / 9, 3 / 9, 5 / 9])
    torch.testing.assert_close(task.thresholds.detach().sigmoid(), expected, atol=2e-3, rtol=0)
    known = log.columns["rating"].nanmean()
    torch.testing.assert_close(model.score(log.batch())["rating"].mean(), known, atol=0.02, rtol=0)


def test_starts_from_weighted_frequencies() -> None:
    frame = pl.DataFrame({"user_id": range(300), "item_id": 7, "stars": [1, 2, 3] * 100, "w": [2.0, 2.0, 0.0] * 100})
    log, task = EventLog.read(frame, Schema(signals=("stars", "w"))), Ordinal("stars", where=Rows(weight="w"))
    model_of(log, task).prepare(log)
    torch.testing.assert_close(task.thresholds.detach().sigmoid(), torch.tensor([0.5, 1.0]), atol=2e-3, rtol=0)


def test_a_level_that_no_row_has_leaves_the_thresholds_in_order() -> None:
    log, task = log_of(STARS), Ordinal(levels=(1, 2, 3, 4, 5))
    model_of(log, task).prepare(log)
    assert (task.thresholds.diff() > 0).all()


def test_learns_an_order_and_stays_on_the_scale() -> None:
    log = log_of([float(1 + 2 * (row % 4 // 2) + (row // 4) % 2) for row in range(80)])  # users 2, 3 two stars above
    task = Ordinal(hidden=(), biases=True)
    model = model_of(log, task, scale=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)  # made before the levels are known
    fit(model, log, epochs=150, optimizer=optimizer, device="cpu", progress=False)
    scores = model.score(log.batch())["rating"].detach()
    assert (scores - log.columns["rating"]).abs().mean() < 0.3
    assert scores.min() >= 1
    assert scores.max() <= 4
    assert task.log_gaps.exp().min() > 0


def test_missing_labels_change_neither_loss_nor_gradient_of_the_others() -> None:
    log = log_of(STARS)
    model, batch = model_of(log, Ordinal(product=True, biases=True), scale=1.0), log.batch()
    model.prepare(log)
    grads = []
    for rows in (batch, batch.take(~batch["rating"].isnan())):
        loss = model.losses(rows)["rating"]
        grads.append([loss, *torch.autograd.grad(loss, list(model.parameters()))])
    for every, some in zip(*grads, strict=True):
        torch.testing.assert_close(every, some)


def test_errors() -> None:
    log = log_of(STARS)
    with pytest.raises(ConfigError, match=r"levels=\(2, 1\); a scale has at least two levels, the lowest first"):
        Ordinal(levels=(2, 1))
    with pytest.raises(ConfigError, match=r"levels=\(3,\); a scale has at least two levels"):
        Ordinal(levels=(3,))
    words = r"column 'rating' is 4 in row 8 \(.*\), which is not one of the levels 1, 2, 5 of task 'rating'; correct it"
    with pytest.raises(DataError, match=words):
        model_of(log, Ordinal(levels=(1, 2, 5))).prepare(log)
    words = (
        "column 'rating' has 1 different values in training, and a scale has 2 to 100; name the levels of task 'rating'"
    )
    with pytest.raises(DataError, match=words):
        model_of(log, Ordinal()).prepare(log.take(slice(0, 1)))
    with pytest.raises(ConfigError, match="task 'rating' has no levels yet: train it, call prepare"):
        model_of(log, Ordinal()).score(log.batch())


def test_an_optimizer_that_was_made_before_the_levels_were_known() -> None:
    log = log_of(STARS)
    model = model_of(log, Ordinal())
    early = torch.optim.Adagrad(model.parameters(), lr=0.1)
    words = r"the optimizer Adagrad was made when parameter '_tasks.0.log_gaps' had no numbers, .* give a function"
    with pytest.raises(ConfigError, match=words):
        fit(model, log, epochs=1, optimizer=early, device="cpu", progress=False)
    fit(model, log, epochs=1, optimizer=torch.optim.Adagrad(model.parameters()), device="cpu", progress=False)
