"""Objectives over drawn items: contracts, the losses written out, and what each learns."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import polars as pl
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from motet import FeatureTower, Model, evaluate, fit
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError
from motet.tasks import BPR, DotTask, Retrieval, SampledBinary, SampledTask, WholeCatalogue
from motet.testing import check_task


def model_of(log: EventLog, task: DotTask, *, scale: float = 1.0) -> Model:
    torch.manual_seed(0)
    user, item = (FeatureTower(side, dim=6, init_scale=scale) for side in (log.users, log.items))
    model = Model(user=user, item=item, tasks=[task]).double()
    model.prepare(log)
    return model


def row_losses(model: Model, batch: Batch, drawn: Tensor, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """The losses with these items drawn."""
    (task,) = model.tasks.values()
    monkeypatch.setattr(type(task), "_draw", lambda _: drawn)
    return task.loss(*model(batch), batch)


def scores(model: Model, users: Tensor, items: Tensor) -> Tensor:
    (found,) = model.score(Batch({"user_id": users, "item_id": items})).values()
    return found


@pytest.mark.parametrize("kind", [BPR, SampledBinary, WholeCatalogue])
@pytest.mark.parametrize(
    "arguments", [{}, {"positives": "rating >= 3", "item_bias": True}, {"projected": True, "item_bias": True}]
)
def test_contract(log: EventLog, kind: Callable[..., DotTask], arguments: dict[str, object]) -> None:
    check_task(partial(kind, **arguments), log)


@pytest.mark.parametrize("kind", [BPR, SampledBinary])
@pytest.mark.parametrize("by", ["uniform", "popularity"])
def test_contract_of_both_ways_to_draw(log: EventLog, kind: Callable[..., SampledTask], by: str) -> None:
    check_task(partial(kind, by=by, draws=7), log)


@pytest.mark.parametrize("spare_seen", [True, False])
@pytest.mark.parametrize("item_bias", [True, False])
def test_bpr_is_its_loop(
    open_log: EventLog, monkeypatch: pytest.MonkeyPatch, spare_seen: bool, item_bias: bool
) -> None:
    model = model_of(open_log, BPR(spare_seen=spare_seen, item_bias=item_bias))
    batch, drawn = open_log.batch(), torch.tensor([1, 4, 4, 9, 7])
    seen = set(zip(batch.users.tolist(), batch.items.tolist(), strict=True))
    found = row_losses(model, batch, drawn, monkeypatch)
    for row, (user, item) in enumerate(zip(batch.users, batch.items, strict=True)):
        had = {int(item), *(other for who, other in seen if who == user and who)}
        others = [other for other in drawn if not spare_seen or int(other) not in had]
        gaps = [scores(model, user[None], other[None]) - scores(model, user[None], item[None]) for other in others]
        expected = sum(F.softplus(gap).item() for gap in gaps) / max(len(gaps), 1) / math.log(2)
        assert found[row].item() == pytest.approx(expected)


@pytest.mark.parametrize("by", ["uniform", "popularity"])
@pytest.mark.parametrize("log_q", [True, False])
def test_sampled_binary_is_its_loop(log: EventLog, monkeypatch: pytest.MonkeyPatch, by: str, log_q: bool) -> None:
    model = model_of(log, SampledBinary(by=by, log_q=log_q, negatives_each=3))  # type: ignore[arg-type]
    batch, drawn = log.batch(), torch.tensor([1, 4, 4, 9, 7])
    counts = torch.bincount(batch.items, minlength=len(log.items)).double() + 1
    counts[0] = 0
    shift = (counts / counts.sum() * (len(log.items) - 1)).log() if log_q and by == "popularity" else 0 * counts
    found = row_losses(model, batch, drawn, monkeypatch)
    for row, (user, item) in enumerate(zip(batch.users, batch.items, strict=True)):
        own = scores(model, user[None], item[None]) - shift[item]
        others = scores(model, user.expand(5), drawn) - shift[drawn]
        expected = F.softplus(-own).item() + 3 * F.softplus(others).mean().item()
        assert found[row].item() == pytest.approx(expected / (4 * math.log(2)), rel=1e-5)


def test_draws_follow_their_distribution(log: EventLog) -> None:
    counts = torch.bincount(log.batch().items, minlength=len(log.items))
    known = (torch.arange(len(counts)) > 0).float()
    for by, expected in (("uniform", known), ("popularity", (counts + 1) * known)):
        task = BPR(draws=20_000, by=by)  # type: ignore[arg-type]
        model_of(log, task)
        found = torch.bincount(task._draw(), minlength=len(counts)) / 20_000
        assert found[0] == 0
        torch.testing.assert_close(found, expected / expected.sum(), atol=0.02, rtol=0)


def test_a_positive_that_training_has_not_seen_has_a_finite_loss(log: EventLog) -> None:
    task = SampledBinary(by="popularity")
    seen = log.take(log.columns["item_id"] != 3)
    model = model_of(seen, task)
    batch = Batch({"user_id": torch.tensor([1, 2]), "item_id": torch.tensor([0, 3])})
    losses = task.loss(*model(batch), batch)
    losses.sum().backward()
    assert losses[0] == 0
    assert 0 < losses[1] < math.inf
    assert all(weight.grad.isfinite().all() for weight in model.parameters() if weight.grad is not None)


@pytest.mark.parametrize(
    "task", [BPR(), SampledBinary(), SampledBinary(by="popularity", log_q=False), WholeCatalogue()]
)
def test_knowing_nothing_costs_one(log: EventLog, task: DotTask) -> None:
    model = model_of(log, task, scale=0.0)
    (loss,) = model.losses(log.batch()).values()
    assert loss.item() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("confidence", [0.0, 2.0])
@pytest.mark.parametrize("item_bias", [True, False])
@pytest.mark.parametrize("positives", [None, "rating >= 3"])
@pytest.mark.parametrize("projected", [True, False])
def test_the_whole_catalogue_is_the_dense_loss(
    open_log: EventLog, confidence: float, item_bias: bool, positives: str | None, projected: bool
) -> None:
    task = WholeCatalogue(confidence=confidence, item_bias=item_bias, positives=positives, projected=projected)
    model = model_of(open_log, task)
    batch, users = open_log.batch(), len(open_log.users)
    mine = batch.take(task.labelled(batch))
    times = torch.zeros(users + len(mine), len(open_log.items), dtype=torch.float64)
    line = mine.users.where(mine.users > 0, users + torch.arange(len(mine)))  # each row of an unknown user is another
    times.index_put_((line, mine.items), torch.ones(len(mine), dtype=torch.float64), accumulate=True)
    who, what = (torch.arange(size) for size in times.shape)
    who = who.where(who < users, 0)
    table = scores(model, who.repeat_interleave(len(what)), what.repeat(len(who))).view(times.shape)
    wanted = (times > 0).double()
    dense = ((1 + confidence * times) * (wanted - table).square())[times.sum(1) > 0, 1:].sum()
    at_zero = ((1 + confidence * times) * wanted).sum()
    (loss,) = model.losses(batch).values()
    torch.testing.assert_close(loss, dense / at_zero)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    ours, theirs = (torch.autograd.grad(value, parameters) for value in (loss, dense / at_zero))
    for mine_too, dense_too in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine_too, dense_too)


def test_a_pair_that_training_has_not_seen_counts_once(log: EventLog) -> None:
    model = model_of(log, WholeCatalogue())
    seen = set(zip(log.batch().users.tolist(), log.batch().items.tolist(), strict=True))
    user, item = next((u, i) for u in range(1, 9) for i in range(1, 13) if (u, i) not in seen)
    batch = Batch({"user_id": torch.tensor([user]), "item_id": torch.tensor([item])})
    assert model.tasks["whole_catalogue"].loss(*model(batch), batch).isfinite().all()


@pytest.mark.parametrize("task", [BPR(item_bias=True), SampledBinary(), WholeCatalogue(confidence=5.0), Retrieval()])
def test_it_finds_what_users_like_theirs_take(task: DotTask) -> None:
    pairs = [(user, item) for user in range(40) for item in range(30) if (user + item) % 2 == 0]
    frame = pl.DataFrame({"user_id": [user for user, _ in pairs], "item_id": [item for _, item in pairs]})
    held = pl.Series([(7 * user + 3 * item) % 11 < 2 for user, item in pairs])
    whole = EventLog.read(frame, Schema())
    train, test = whole.take((~held).to_torch()), whole.take(held.to_torch())
    torch.manual_seed(0)
    user, item = (FeatureTower(side, dim=8) for side in (whole.users, whole.items))
    model = Model(user=user, item=item, tasks=[task])
    fit(model, train, epochs=40, batch_size=100, progress=False, seed=1)
    report = evaluate(model, test, train=train, baselines=False)
    assert report[f"{task.name}/unseen/ndcg@10"] > 0.9


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="draws=0; it must be at least 1"):
        BPR(draws=0)
    with pytest.raises(ConfigError, match="negatives_each=0; it must be above 0 and finite"):
        SampledBinary(negatives_each=0)
    with pytest.raises(ConfigError, match="confidence=-1; it must be 0 or more"):
        WholeCatalogue(confidence=-1)


@pytest.mark.usefixtures("unchecked_types")
def test_an_unknown_way_to_draw() -> None:
    with pytest.raises(ConfigError, match="by 'uniform' or 'popularity', not by 'uniformly'; did you mean 'uniform'"):
        BPR(by="uniformly")  # type: ignore[arg-type]
