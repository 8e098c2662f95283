"""Funnel: every stage learned from every exposure."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError
from motet.evaluation import evaluate
from motet.metrics import ECE
from motet.model import Model
from motet.tasks import Event, Funnel, Rows
from motet.towers import FeatureTower
from motet.train import fit
from motet.trunks import SharedBottom

STAGES = ("click", "cart", "buy")
# Of 8 exposures 4 are clicked, 2 of them carted, 1 of these bought.
LABELS = [(1, 1, 1), (1, 1, 0), (1, 0, 0), (1, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)]


def log_of(labels: list[tuple[float | None, ...]], users: int = 4) -> EventLog:
    rows = range(len(labels))
    frame = {"user_id": [row % users for row in rows], "item_id": [row // users for row in rows]}
    columns = {stage: [row[k] for row in labels] for k, stage in enumerate(STAGES)}
    return EventLog.read(pl.DataFrame(frame | columns, strict=False), Schema(signals=STAGES))


def model_of(log: EventLog, task: Funnel, *, scale: float = 0.5) -> Model:
    torch.manual_seed(0)
    sides = (FeatureTower(side, dim=4, init_scale=scale) for side in (log.users, log.items))
    return Model(user=next(sides), item=next(sides), tasks=[task])


def prepared(labels: list[tuple[float | None, ...]], **options: object) -> Model:
    log = log_of(labels)
    model = model_of(log, Funnel(stages=STAGES, **options))  # type: ignore[arg-type]
    model.prepare(log)
    return model.eval()


def test_starts_from_the_odds_of_each_stage_given_the_one_before() -> None:
    log = log_of(LABELS * 50)
    task = Funnel(stages=STAGES)
    model = model_of(log, task, scale=0.0)
    model.prepare(log)
    torch.testing.assert_close(task.bias.detach(), torch.zeros(3), atol=0.02, rtol=0)
    torch.testing.assert_close(model.score(log.batch())["funnel"], torch.full((400,), 0.125), atol=0.01, rtol=0)
    model.prepare(log_of([(1, 1, 1)] * 4))
    torch.testing.assert_close(task.bias.detach(), torch.zeros(3), atol=0.02, rtol=0)


def test_scores_the_stage_that_was_chosen_and_no_stage_is_likelier_than_the_one_before() -> None:
    log = log_of(LABELS)
    scores = [prepared(LABELS, stage=stage).score(log.batch())["funnel"] for stage in STAGES]
    assert (scores[0] > scores[1]).all()
    assert (scores[1] > scores[2]).all()
    torch.testing.assert_close(prepared(LABELS).score(log.batch())["funnel"], scores[2])


def test_the_first_stage_alone_learns_as_an_event_does() -> None:
    log = log_of([(click, None, None) for click, _, _ in LABELS])
    model = prepared(LABELS)
    (funnel,) = model.tasks.values()
    assert isinstance(funnel, Funnel)
    event = Event("click")
    event.build_head(8, model.user, model.item)
    event.head, event.bias = funnel.heads[0], torch.nn.Parameter(funnel.bias[0])
    batch = log.batch()
    torch.testing.assert_close(funnel.loss(*model(batch), batch), event.loss(*model(batch), batch))


def test_a_batch_without_an_exposure_has_loss_0_where_weights_fade() -> None:
    frame = {
        "user_id": [1, 1, 2],
        "item_id": [1, 2, 3],
        "time": [0, 60, 120],
        "click": [1, 0, None],
        "buy": [1, 0, None],
    }
    log = EventLog.read(pl.DataFrame(frame), Schema(time="time", signals=("click", "buy")))
    model = model_of(log, Funnel(stages=("click", "buy"), where=Rows(half_life_days=1)))
    model.prepare(log)
    assert model.losses(log.take(slice(2, 3)).batch())["funnel"].item() == 0
    assert model.losses(log.batch())["funnel"].item() > 0


def test_each_stage_is_averaged_over_the_rows_that_know_it() -> None:
    labels = [(1, 1, 1), (1, 0, 0), (0, 0, None), (0, None, 0), (1, 1, None), (0, 0, 0), (None, None, None)]
    model, batch = prepared(labels), log_of(labels).batch()
    total = 0.0
    for stage in range(3):
        alone = [tuple(label if k == stage else None for k, label in enumerate(row)) for row in labels]
        total += model.losses(log_of(alone).batch())["funnel"].item()
    assert model.losses(batch)["funnel"].item() == pytest.approx(total, rel=1e-5)


def test_rows_without_any_label_change_neither_loss_nor_gradient() -> None:
    labels = [(1, 1, None), (None, None, None), (0, 0, 0), (1, None, 1), (None, None, None)]
    model, batch = prepared(labels, product=True, biases=True), log_of(labels).batch()
    grads = []
    for rows in (batch, batch.take(~batch["click"].isnan()), batch.take(torch.tensor([3, 1, 2, 4, 0]))):
        loss = model.losses(rows)["funnel"]
        grads.append([loss, *torch.autograd.grad(loss, list(model.parameters()))])
    for every, *others in zip(*grads, strict=True):
        for other in others:
            torch.testing.assert_close(every, other)
    assert not model.losses(batch.take(batch["click"].isnan()))["funnel"]


def test_finds_the_probabilities_of_a_chain() -> None:
    log = log_of([row for row in LABELS for _ in range(4)])  # an item a chain, seen by all users
    task = Funnel(stages=STAGES, hidden=(), biases=True)
    model = model_of(log, task, scale=0.1)
    fit(model, log, epochs=300, device="cpu", progress=False)
    scores = model.score(log.batch())["funnel"].detach()
    assert scores[log.columns["buy"] == 1].min() > 0.9
    assert scores[log.columns["buy"] == 0].max() < 0.1


@pytest.mark.parametrize("trunk", [None, SharedBottom(hidden=(8,))])
def test_every_stage_is_judged_over_the_exposures_that_know_it_beside_their_mean(trunk: SharedBottom | None) -> None:
    labels = [*LABELS, (1, 1, None)]
    log = log_of(labels)
    torch.manual_seed(0)
    sides = (FeatureTower(side, dim=4) for side in (log.users, log.items))
    model = Model(user=next(sides), item=next(sides), tasks=[Funnel(stages=STAGES)], trunk=trunk)
    report = evaluate(model, log, train=log)
    assert set(report) == {f"funnel/{stage}/{name}" for stage in STAGES for name in ("auc", "log_loss", "ece")}
    fewer = evaluate(model, log.take(slice(0, 8)), train=log)
    assert report["funnel/buy/log_loss"] == fewer["funnel/buy/log_loss"]
    assert report["funnel/cart/log_loss"] != fewer["funnel/cart/log_loss"]
    parts = model.score_parts("funnel", log.batch())
    torch.testing.assert_close(parts["buy"], model.score(log.batch())["funnel"])
    ece = ECE()
    ece.update(parts["cart"].detach(), log.columns["cart"])
    assert report["funnel/cart/ece"] == pytest.approx(ece.compute())
    assert report.beside["global mean"]["funnel/click/ece"] == pytest.approx(0, abs=1e-6)
    assert report.beside["global mean"]["funnel/cart/auc"] == 0.5


def test_the_mean_beside_is_that_of_the_rows_the_task_chose() -> None:
    log = log_of(LABELS)
    torch.manual_seed(0)
    sides = (FeatureTower(side, dim=4) for side in (log.users, log.items))
    model = Model(user=next(sides), item=next(sides), tasks=[Event("buy", where="click == 1")])
    assert evaluate(model, log, train=log).beside["global mean"]["buy/ece"] == pytest.approx(0, abs=1e-6)


def test_errors() -> None:
    with pytest.raises(ConfigError, match=r"stages=\('click',\); a funnel needs two or more different columns"):
        Funnel(stages=("click",))
    with pytest.raises(ConfigError, match="a funnel needs two or more different columns"):
        Funnel(stages=("click", "click"))
    with pytest.raises(
        ConfigError, match=r"stage='bui' is not one of the stages; did you mean 'buy'\? Stages: click, cart"
    ):
        Funnel(stages=STAGES, stage="bui")
    with pytest.raises(
        DataError, match=r"column 'cart' is 2 in row 1 \(.*\), and lies outside \[0, 1\] in 1 of 2 rows; task 'funnel'"
    ):
        prepared([(1, 1, 1), (1, 2, 0)])


def test_a_later_stage_without_an_earlier_one_is_counted_and_can_be_dropped() -> None:
    wrong = [(1, 1, 1), (1, 0, 0), (1, 0, 1), (0, None, 1), (None, 1, 1)]
    words = (
        r"task 'funnel': in 2 of 5 rows a later stage is set where an earlier one is not, in row 2 \(.*\) first: "
        r"'buy' is 1 and 'cart' is 0; set 'cart' as well, or drop such rows: where=\"not \(click == 0 and "
        r"buy == 1\) and not \(cart == 0 and buy == 1\)\""
    )
    with pytest.raises(DataError, match=words):
        prepared(wrong)
    with pytest.raises(DataError, match=r"in 1 of 5 rows .* in row 3 \(.*\) first: 'buy' is 1 and 'click' is 0"):
        prepared(wrong, where="not (cart == 0 and buy == 1)")
    for where in (None, "click == 0 or click == 1", "cart == 0", "buy == 1"):
        with pytest.raises(DataError) as found:
            prepared(wrong, where=where)
        prepared(wrong, where=str(found.value).split('where="')[1].removesuffix('"'))


def test_a_stage_known_only_after_the_one_before_is_refused() -> None:
    words = "stage 'cart' is empty in all 2 rows in which 'click' is 0, so it would be learned only from rows that"
    with pytest.raises(DataError, match=words):
        prepared([(1, 1, 1), (1, 0, 0), (0, None, None), (0, None, None)])
    prepared([(1, 1, None), (1, 0, None), (0, 0, None), (0, None, None)])
