"""Event: probabilities that are some, whatever the loss."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.early_stopping import EarlyStopping
from motet.errors import ConfigError, DataError
from motet.evaluation import evaluate
from motet.model import Model
from motet.tasks import Event
from motet.towers import FeatureTower
from motet.train import fit


def log_of(bought: list[float | None], user: int = 4, **columns: list[float]) -> EventLog:
    rows = range(len(bought))
    frame = {"user_id": [row % user for row in rows], "item_id": [row // user for row in rows], "bought": bought}
    return EventLog.read(pl.DataFrame(frame | columns), Schema(signals=("bought", *columns)))


def model_of(log: EventLog, task: Event) -> Model:
    torch.manual_seed(0)
    model = Model(user=FeatureTower(log.users, dim=4), item=FeatureTower(log.items, dim=4), tasks=[task])
    model.prepare(log)
    return model.eval()


@pytest.mark.parametrize(
    "options", [{}, {"positive_weight": 20.0}, {"focal": 2.0}, {"focal": 1.0, "positive_weight": 5.0}]
)
def test_learns_the_probability_whatever_the_loss(options: dict[str, float]) -> None:
    log = log_of([1.0, 0.0, 0.0, 0.0, 0.0] * 8, user=1)
    task = Event("bought", hidden=(), **options)  # type: ignore[arg-type]
    torch.manual_seed(0)
    model = Model(
        user=FeatureTower(log.users, dim=1, init_scale=0.0),
        item=FeatureTower(log.items, dim=1, init_scale=0.0),
        tasks=[task],
    )
    fit(model, log, epochs=400, optimizer=torch.optim.SGD([task.bias], lr=0.3), device="cpu", progress=False)
    torch.testing.assert_close(model.score(log.batch())["bought"].detach(), torch.full((40,), 0.2), atol=5e-3, rtol=0)


def test_starts_from_the_odds_of_its_rows_and_only_once() -> None:
    log = log_of([1.0, 0.0, 0.0, 0.0, None, 1.0], clicked=[1, 1, 1, 1, 1, 0])
    task = Event("bought", where="clicked == 1", positive_weight=3.0)
    model = model_of(log, task)
    assert task.bias.exp().item() == pytest.approx(3.5 / 3.5)
    model.prepare(log.take(slice(1, 4)))
    assert task.bias.exp().item() == pytest.approx(1.0)


@pytest.mark.parametrize("weight", [1.0, 4.0, 0.25])
def test_starts_from_the_mean_of_probabilities_too(weight: float) -> None:
    log = log_of([0.2, 0.4, 0.3, 0.3] * 100)
    model = model_of(log, Event("bought", hidden=(), positive_weight=weight))
    model.user.ids.weight.data.zero_()  # type: ignore[union-attr]
    model.item.ids.weight.data.zero_()  # type: ignore[union-attr]
    torch.testing.assert_close(model.score(log.batch())["bought"], torch.full((400,), 0.3), atol=5e-3, rtol=0)


def test_missing_labels_change_neither_loss_nor_gradient_of_the_others() -> None:
    log = log_of([1.0, None, 0.25, 0.0, None, 1.0])
    model, batch = model_of(log, Event("bought", hidden=(8,), product=True, biases=True, focal=2.0)), log.batch()
    grads = []
    for rows in (batch, batch.take(~batch["bought"].isnan())):
        loss = model.losses(rows)["bought"]
        grads.append([loss, *torch.autograd.grad(loss, list(model.parameters()))])
    for every, some in zip(*grads, strict=True):
        torch.testing.assert_close(every, some)


def test_is_judged_by_order_surprise_and_calibration_beside_the_mean() -> None:
    log = log_of([1.0, 0.0, 0.0, 0.0, None, 1.0] * 5)
    report = evaluate(model_of(log, Event("bought")), log, train=log)
    assert set(report) == {"bought/auc", "bought/log_loss", "bought/ece"}
    mean = report.beside["global mean"]
    assert mean["bought/auc"] == 0.5
    assert EarlyStopping("bought/ece").better(0.1, 0.2)
    assert EarlyStopping("bought/log_loss").better(0.1, 0.2)
    assert mean["bought/ece"] == pytest.approx(0.0, abs=1e-6)


def test_errors() -> None:
    wrong = log_of([1.0, None, -1.0, 0.5, 2.0])
    words = (
        r"column 'bought' is -1 in row 2 \(user_id \d+, item_id \d+\), and lies outside \[0, 1\] in 2 of 4 rows; "
        "task 'bought' needs 0, 1 or a probability"
    )
    with pytest.raises(DataError, match=words):
        model_of(wrong, Event("bought"))
    model_of(wrong, Event("bought", where="bought >= 0 and bought <= 1"))
    with pytest.raises(ConfigError, match="positive_weight=0; it must be above 0"):
        Event("bought", positive_weight=0)
    with pytest.raises(
        ConfigError, match="focal=-1; gamma must be 0 or more and finite, or None for the cross-entropy"
    ):
        Event("bought", focal=-1)
