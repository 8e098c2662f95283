from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from motet.calibration import calibrate, calibrated
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.metrics import AUC, expected_calibration_error
from motet.model import Model
from motet.recommender import Recommender
from motet.tasks import Event, Funnel, Rating, Task, WithContext
from motet.towers import FeatureTower
from motet.train import fit

ROWS = 4_000


def shop(rows: int = ROWS) -> EventLog:
    generator = torch.Generator().manual_seed(0)
    events = {
        "user_id": torch.randint(0, 40, (rows,), generator=generator).tolist(),
        "item_id": torch.randint(0, 40, (rows,), generator=generator).tolist(),
        "price": torch.rand(rows, generator=generator).tolist(),
    }
    names = ("click", "buy", "stars")
    empty = {name: [0.0, 1.0] * (rows // 2) + [0.0] * (rows % 2) for name in names}
    return EventLog.read(pl.DataFrame(events | empty), Schema(signals=("price", *names)))


def model_of(log: EventLog, *tasks: Task) -> Model:
    """Of weights that say something, and too much of it."""
    torch.manual_seed(1)
    towers = (FeatureTower(side, dim=4, init_scale=1.0) for side in (log.users, log.items))
    model = Model(user=next(towers), item=next(towers), tasks=list(tasks))
    model.prepare(log)
    return model.eval()


def drawn(log: EventLog, **probs: torch.Tensor) -> EventLog:
    """The same rows with outcomes drawn by these probabilities, the later ones given the earlier."""
    generator, happened = torch.Generator().manual_seed(2), torch.ones(len(log))
    columns = dict(log.columns)
    for name, given in probs.items():
        happened = happened * (torch.rand(len(log), generator=generator) < given)
        columns[name] = happened
    return EventLog(log.schema, log.users, log.items, columns)


@torch.no_grad()
def test_the_order_of_the_rows_does_not_matter() -> None:
    """As where each positive stands before a negative that was sampled for it."""
    log = shop()
    model = model_of(log, Event("click", hidden=(4,)))
    log = drawn(log, click=(0.3 * model.score(log.batch())["click"].logit()).sigmoid())
    labels = log.columns["click"]
    pairs = torch.stack(
        [rows[: int(min(labels.sum(), (1 - labels).sum()))] for rows in map(_where, (labels, 1 - labels))], 1
    )
    found = calibrate(model, log.take(pairs.flatten()))["click"]
    assert found.slope < 0.5
    assert found.after < found.before


def _where(labels: torch.Tensor) -> torch.Tensor:
    return labels.nonzero()[:, 0]


@torch.no_grad()
def test_finds_the_line_that_was_drawn_by() -> None:
    log = shop(20_000)
    model = model_of(log, Event("click", hidden=(4,)), Rating("stars", hidden=()))
    before = model.score(log.batch())["click"]
    log = drawn(log, click=(0.3 * before.logit() - 1).sigmoid())
    found = calibrate(model, log)
    assert list(found) == ["click"]
    reference = LogisticRegression(C=1e9, tol=1e-8).fit(before.logit()[:, None], log.columns["click"])
    assert found["click"].slope == pytest.approx(reference.coef_[0, 0], abs=0.01)  # less what the prior holds back
    assert found["click"].offset == pytest.approx(reference.intercept_[0], abs=0.01)  # less what the prior holds back
    after = model.score(log.batch())["click"]
    assert (after[before.argsort()].diff() >= 0).all()
    assert found["click"].rows == 20_000
    assert found["click"].before == pytest.approx(expected_calibration_error(before, log.columns["click"]), abs=1e-6)
    assert found["click"].after < 0.2 * found["click"].before
    assert calibrate(model, log) == found  # the first line is forgotten


@torch.no_grad()
def test_stages_of_a_funnel_stay_in_order() -> None:
    log = shop()
    model = model_of(log, Funnel(stages=("click", "buy"), hidden=()))
    log = drawn(log, click=torch.full((ROWS,), 0.3), buy=torch.full((ROWS,), 0.1))
    log.columns["buy"][::3] = torch.nan  # not known yet
    found = calibrate(model, log)
    assert list(found) == ["funnel/click", "funnel/buy"]
    assert [each.rows for each in found.values()] == [ROWS, ROWS - len(range(0, ROWS, 3))]
    parts = model.score_parts("funnel", log.batch())
    assert (parts["buy"] <= parts["click"]).all()
    for part, each in found.items():
        stage = part.removeprefix("funnel/")
        assert float(parts[stage].mean()) == pytest.approx(float(log.columns[stage].nanmean()), abs=0.003)
        assert each.after < each.before


@torch.no_grad()
def test_a_stage_that_single_precision_cannot_tell_from_0_is_calibrated() -> None:
    """The next one, given that it happened, was 0 / 0, and ended what came after the training."""
    log = shop(100)
    model = model_of(log, Funnel(stages=("click", "buy"), hidden=()))
    model.tasks["funnel"].get_parameter("bias").fill_(-120)
    assert (model.score_parts("funnel", log.batch())["click"] == 0).any()
    found = calibrate(model, drawn(log, click=torch.full((100,), 0.3), buy=torch.full((100,), 0.1)))
    assert all(each.after <= each.before for each in found.values())


def test_what_does_not_help_is_not_taken() -> None:
    log = shop()
    model = model_of(log, Event("click", hidden=()))
    with torch.no_grad():
        log = drawn(log, click=model.score(log.batch())["click"])
    one_of_each = torch.stack([log.columns["click"].argmin(), log.columns["click"].argmax()])
    found = calibrate(model, log.take(one_of_each))["click"]
    assert (found.slope, found.offset, found.rows) == (1, 0, 2)
    assert found.before == found.after


def test_no_rows_leave_it_as_it_is() -> None:
    log = shop()
    log.columns["click"].fill_(torch.nan)
    model = model_of(shop(), Event("click", hidden=()))
    assert calibrate(model, log) == {}
    del log.columns["click"]
    assert calibrate(model, log) == {}


def test_a_wrapped_task_is_calibrated_and_weights_count() -> None:
    log = shop()
    model = model_of(log, WithContext(Event("click", where="price > 0.5", hidden=()), ["price"]))
    with torch.no_grad():
        log = drawn(log, click=torch.full((ROWS,), 0.1))
        found = calibrate(model, log)["click"]
        scores = model.score(log.batch())["click"]
    chosen = log.columns["price"] > 0.5
    assert found.rows == int(chosen.sum())
    assert float(scores[chosen].mean()) == pytest.approx(float(log.columns["click"][chosen].mean()), abs=0.01)


def test_is_saved_and_training_forgets_it(tmp_path: Path) -> None:
    log = shop()
    model = model_of(log, Event("click", hidden=()))
    with torch.no_grad():
        log = drawn(log, click=torch.full((ROWS,), 0.1))
    found = calibrate(model, log)
    Recommender(model, log).save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model").model
    assert calibrated(again) == found
    with torch.no_grad():
        assert torch.equal(again.score(log.batch())["click"], model.score(log.batch())["click"])
    fit(again, log, epochs=1, progress=False)
    assert calibrated(again) == {}
    auc = AUC()  # and the order is what the weights say, with it or without
    auc.update(model.score(log.batch())["click"].detach(), log.columns["click"])
    model.tasks["click"].calibration.reset()  # type: ignore[union-attr]
    plain = AUC()
    plain.update(model.score(log.batch())["click"].detach(), log.columns["click"])
    assert auc.compute() == pytest.approx(plain.compute(), abs=1e-6)
