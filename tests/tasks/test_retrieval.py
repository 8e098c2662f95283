"""Retrieval: every way to form its pool equals the pool written out row by row."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.errors import ConfigError, DataError
from motet.model import Model
from motet.tasks import Catalogue, InBatch, Pool, Retrieval, Task, WholeCatalogue
from motet.tasks.pool import Spare
from motet.towers import FeatureTower

EXTRA = torch.tensor([1, 2, 2, 5])


def model_of(log: EventLog, task: Retrieval, *, dim: int = 6, item_dim: int | None = None) -> Model:
    torch.manual_seed(0)
    user = FeatureTower(log.users, dim=dim, init_scale=1.0)
    item = FeatureTower(log.items, dim=item_dim or dim, init_scale=1.0)
    model = Model(user=user, item=item, tasks=[task]).double()
    model.prepare(log)
    return model


def row_losses(model: Model, batch: Batch, *, chance: float | None = None) -> Tensor:
    """The losses before they are divided by what chance has; for a pool in the batch, the log of its rows."""
    task = model.tasks["retrieval"]
    losses = task.loss(*model(batch), batch)
    return losses * math.log(len(batch) if chance is None else chance)


def logits(model: Model, batch: Batch) -> Tensor:
    """Every row's score of every item row, by the plainest of means."""
    items = torch.arange(len(model.item.entities))
    task = model.tasks["retrieval"]
    assert isinstance(task, Retrieval)
    everything = Batch({"item_id": items})
    candidates = task.candidates(model.item(everything), everything)
    queries = task.queries(model.user(batch), batch)
    scores = queries @ candidates.T
    return scores.amax(1) if scores.dim() == 3 else scores


def expected(scores: Tensor, batch: Batch, pool: list[int], spared: list[set[int]], *, keep_own_copies: bool) -> Tensor:
    """Softmax over a pool that lists every copy, `spared` items of each row left out."""
    losses = []
    for row, item in enumerate(batch.items.tolist()):
        others = [other for other in pool if other != item and other not in spared[row]]
        own = pool.count(item) if keep_own_copies else 1
        losses.append(torch.cat([scores[row, others], scores[row, [item] * own]]).logsumexp(0) - scores[row, item])
    return torch.stack(losses)


@pytest.mark.parametrize("heads", [None, 1, 3])
@pytest.mark.parametrize("item_bias", [False, True])
@pytest.mark.parametrize("spare", ["nothing", "same item", "batch", "history"])
@pytest.mark.parametrize("catalogue", [False, True])
def test_loss_equals_the_pool_written_out(
    open_log: EventLog, heads: int | None, item_bias: bool, spare: str, catalogue: bool
) -> None:
    log = open_log
    pool: Pool = Catalogue(spare=spare) if catalogue else InBatch(spare=spare, log_q=False)  # type: ignore[arg-type]
    model = model_of(log, Retrieval(pool=pool, heads=heads, item_bias=item_bias, temperature=0.5))
    batch = log.batch().take(slice(0, 30))
    listed = list(range(1, len(log.items))) if catalogue else batch.items.tolist()
    seen = log.batch() if spare == "history" else batch
    had = [set(seen.items[seen.users == user].tolist()) if user else set() for user in batch.users.tolist()]
    spared = had if spare in ("batch", "history") else [set() for _ in had]
    theirs = expected(logits(model, batch), batch, listed, spared, keep_own_copies=spare == "nothing")
    torch.testing.assert_close(row_losses(model, batch, chance=len(listed)), theirs)


@pytest.mark.parametrize("task", [Retrieval(pool=Catalogue()), WholeCatalogue(), Retrieval(pool=InBatch(extra=EXTRA))])
def test_the_unknown_item_is_no_negative(log: EventLog, task: Task) -> None:
    model = model_of(log, task)
    known = log.batch().take(log.batch().items > 0)
    (loss,) = model.losses(known).values()
    (table,) = torch.autograd.grad(loss, [model.item.ids.weight])
    assert not table[0].any()
    assert table[1:].any(1).all()


@pytest.mark.parametrize("spare", ["nothing", "same item", "batch", "history"])
@pytest.mark.parametrize("kind", [InBatch, Catalogue, partial(InBatch, hardest=3), partial(InBatch, extra=EXTRA)])
@pytest.mark.parametrize("sides", [("user_id",), ("item_id",), ("user_id", "item_id")])
def test_equal_users_and_items_apart_or_together_give_the_same_loss_and_gradient(
    open_log: EventLog, spare: Spare, kind: Callable[..., Pool], sides: tuple[str, ...]
) -> None:
    """As towers that read context keep them apart."""
    model = model_of(open_log, Retrieval(pool=kind(spare=spare)))
    batch = open_log.batch().take(slice(0, 30))
    results = []
    for rows in (batch, batch.separate(*sides)):
        loss = row_losses(model, rows)
        towers = [*model.user.parameters(), *model.item.parameters()]
        results.append((loss, *torch.autograd.grad(loss.mean(), towers)))
    for together, one_by_one in zip(*results, strict=True):
        torch.testing.assert_close(together, one_by_one)


def test_hardest_negatives_only(log: EventLog) -> None:
    model = model_of(log, Retrieval(pool=InBatch(hardest=2, spare="same item", log_q=False)))
    batch = log.batch().take(slice(0, 20))
    scores = logits(model, batch)
    for row, loss in enumerate(row_losses(model, batch, chance=3).tolist()):
        item = int(batch.items[row])
        others = scores[row, [other for other in batch.items.tolist() if other != item]].sort(descending=True).values
        own = scores[row, item]
        assert loss == pytest.approx((torch.cat([own[None], others[:2]]).logsumexp(0) - own).item())


@pytest.mark.parametrize("spare", ["nothing", "same item", "batch", "history"])
def test_rows_without_any_negative_have_no_loss_and_finite_gradients(log: EventLog, spare: Spare) -> None:
    """As where a batch holds one item, or its user has had all of them."""
    model = model_of(log, Retrieval(pool=InBatch(hardest=2, spare=spare)))
    batch = log.batch()
    alone = batch.take((batch.items == batch.items[0]) & (batch.users == batch.users[0]))
    loss = model.losses(alone.take(slice(0, 1)))["retrieval"]
    loss.backward()
    assert loss.item() == 0
    assert all(tower.ids.weight.grad.isfinite().all() for tower in (model.user, model.item))


@pytest.mark.parametrize("pool", [InBatch(), InBatch(hardest=2, spare="batch"), Catalogue()], ids=repr)
def test_an_empty_batch_is_no_step(log: EventLog, pool: Pool) -> None:
    model = model_of(log, Retrieval(pool=pool))
    loss = model.losses(log.batch().take(slice(0, 0)))["retrieval"]
    loss.backward()
    assert loss.item() == 0
    assert not any(parameter.grad.any() for parameter in model.parameters() if parameter.grad is not None)


def test_a_batch_without_positives_is_no_step(log: EventLog) -> None:
    for negatives in (None, "rating <= 2"):
        model = model_of(log, Retrieval(positives="rating >= 4", negatives=negatives))
        batch = log.batch()
        loss = model.losses(batch.take(batch["rating"] < 4))["retrieval"]
        loss.backward()
        assert loss.item() == 0
        assert not model.user.ids.weight.grad.any()


def test_log_q_subtracts_the_log_of_the_share_of_training_rows(log: EventLog) -> None:
    plain = model_of(log, Retrieval(pool=InBatch(log_q=False)))
    corrected = model_of(log, Retrieval(pool=InBatch(log_q=True)))
    counts = torch.bincount(log.batch().items, minlength=len(log.items))
    given = model_of(log, Retrieval(pool=InBatch(log_q=counts / counts.sum())))
    batch = log.batch()
    scores = logits(plain, batch) - (counts / counts.sum()).log()
    spared: list[set[int]] = [set() for _ in range(len(batch))]
    theirs = expected(scores, batch, batch.items.tolist(), spared, keep_own_copies=True)
    torch.testing.assert_close(row_losses(corrected, batch), theirs)
    torch.testing.assert_close(row_losses(given, batch), theirs)
    assert not torch.allclose(row_losses(plain, batch), theirs)


def test_extra_negatives_stand_in_the_pool_as_often_as_drawn(log: EventLog) -> None:
    extra = torch.tensor([1, 1, 5, 9])
    model = model_of(log, Retrieval(pool=InBatch(extra=extra, log_q=False)))
    batch = log.batch().take(slice(0, 10))
    spared: list[set[int]] = [set() for _ in range(10)]
    pool = batch.items.tolist() + extra.tolist()
    theirs = expected(logits(model, batch), batch, pool, spared, keep_own_copies=True)
    torch.testing.assert_close(row_losses(model, batch, chance=len(pool)), theirs)


def test_drawn_negatives_follow_their_distribution_and_its_log_share(log: EventLog) -> None:
    pool = InBatch(extra={"uniform": 3000, "popularity": 5000})
    pool.prepare(log.batch(), len(log.users), len(log.items))
    batch = log.batch()
    torch.manual_seed(0)
    drawn = pool.draw(batch, torch.zeros(60, 2), lambda rows: torch.zeros(len(rows), 2))
    assert drawn.log_q is not None
    assert drawn.counts.sum() == 60 + 8000
    torch.testing.assert_close(drawn.counts / 8060, drawn.log_q.exp(), atol=0.02, rtol=0)
    assert drawn.log_q.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert torch.equal(drawn.rows[drawn.positives], batch.items)


def test_the_score_mask_drops_pairs_of_rows(log: EventLog) -> None:
    batch = log.batch().take(slice(0, 20))
    mask = torch.rand(20, 20, generator=torch.Generator().manual_seed(1)) < 0.5
    model = model_of(log, Retrieval(pool=InBatch(score_mask=lambda _: mask, log_q=False)))
    scores = logits(model, batch)[:, batch.items]
    theirs = []
    for row in range(20):
        kept = [other for other in range(20) if mask[row, other] or other == row]
        theirs.append(scores[row, kept].logsumexp(0) - scores[row, row])
    torch.testing.assert_close(row_losses(model, batch), torch.stack(theirs))


def test_positives_are_counted_on_the_device_of_the_model(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []
    model = model_of(log, Retrieval())
    task = model.tasks["retrieval"]
    assert isinstance(task, Retrieval)
    task.log_temperature = torch.nn.Parameter(torch.zeros((), device="meta"))
    monkeypatch.setattr(Batch, "to", lambda batch, device: asked.append(device) or batch)
    task.prepare(log)
    assert asked == [torch.device("meta")]


def test_score_is_the_dot_product_of_query_and_candidate(log: EventLog) -> None:
    for heads in (None, 1, 2):
        model = model_of(log, Retrieval(heads=heads, item_bias=True, temperature=2.0))
        batch = log.batch()
        torch.testing.assert_close(model.score(batch)["retrieval"], logits(model, batch)[torch.arange(60), batch.items])


def test_tasks_with_projections_of_their_own_may_read_parts_of_a_wide_user_vector(log: EventLog) -> None:
    torch.manual_seed(0)
    both = [Retrieval("high", positives="rating >= 4", heads=1), WholeCatalogue("any", projected=True)]
    user, item = FeatureTower(log.users, dim=8, features=()), FeatureTower(log.items, dim=4, features=())
    model = Model(user=user, item=item, tasks=both)
    for task, halves in zip(both, (torch.eye(8)[:4], torch.eye(8)[4:]), strict=True):
        assert task.project is not None
        task.project.load_state_dict({"weight": halves, "bias": torch.zeros(4)})
    batch = log.batch()
    users, items = model(batch)
    scores = model.score(batch)
    torch.testing.assert_close(scores["high"], (users[:, :4] * items).sum(1))
    torch.testing.assert_close(scores["any"], (users[:, 4:] * items).sum(1))


def test_the_item_bias_starts_at_log_counts_once(log: EventLog) -> None:
    model = model_of(log, Retrieval(item_bias=True))
    task = model.tasks["retrieval"]
    assert isinstance(task, Retrieval)
    assert task.bias is not None
    counts = torch.bincount(log.batch().items, minlength=len(log.items))
    most, fewest = counts.argmax(), counts[1:].argmin() + 1
    gap = (task.bias[most] - task.bias[fewest]).item()
    assert gap == pytest.approx(math.log(counts[most] / counts[fewest]), rel=1e-5)
    with torch.no_grad():
        task.bias.zero_()
    model.prepare(log)
    assert not task.bias.any()


def test_a_learned_temperature_receives_a_gradient(log: EventLog) -> None:
    for learned in (False, True):
        model = model_of(log, Retrieval(temperature=None if learned else 1.0))
        row_losses(model, log.batch()).mean().backward()
        task = model.tasks["retrieval"]
        assert isinstance(task, Retrieval)
        assert (task.log_temperature.grad is not None) is learned


@pytest.mark.usefixtures("unchecked_types")
def test_probabilities_and_rows_may_be_any_array(log: EventLog) -> None:
    probabilities, batch = torch.rand(len(log.items)).double(), log.batch()
    losses = [
        row_losses(model_of(log, Retrieval(pool=InBatch(log_q=log_q, extra=extra))), batch)  # type: ignore[arg-type]
        for log_q, extra in (
            (probabilities, EXTRA),
            (probabilities.numpy(), EXTRA.numpy()),
            (probabilities.tolist(), [1, 2, 2, 5]),
        )
    ]
    assert torch.equal(losses[0], losses[1])
    assert torch.equal(losses[0], losses[2])


@pytest.mark.usefixtures("unchecked_types")
def test_errors(log: EventLog) -> None:
    with pytest.raises(ConfigError, match=r"heads=0; a user needs at least one"):
        Retrieval(heads=0)
    for temperature in (0.0, math.inf):
        with pytest.raises(
            ConfigError, match=r"temperature=.*; it divides the scores, so it must be above 0 and finite"
        ):
            Retrieval(temperature=temperature)
    with pytest.raises(ConfigError, match=r"reduction='average'; it must be 'mean' or 'sum'"):
        Retrieval(reduction="average")  # type: ignore[arg-type]
    with pytest.raises(
        ConfigError, match=r"their widths differ: 4 and 6; give both towers the same dim, or the task a projection"
    ):
        model_of(log, Retrieval(), dim=4, item_dim=6)
    with pytest.raises(ConfigError, match=r"spare='histories' is not one of .*; did you mean 'history'"):
        InBatch(spare="histories")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"hardest=0 negatives; it must be at least 1"):
        Catalogue(hardest=0)
    with pytest.raises(ConfigError, match=r"not by 'popular'; did you mean 'popularity'"):
        InBatch(extra={"popular": 3})
    with pytest.raises(ConfigError, match=r"-1 extra negatives by 'uniform'"):
        InBatch(extra={"uniform": -1})
    for rows in (torch.tensor([-1]), torch.tensor([1, len(log.items)])):
        with pytest.raises(
            ConfigError, match=r"extra holds item rows from .*, which must lie between 0 and \d+; log.items.voc"
        ):
            model_of(log, Retrieval(pool=InBatch(extra=rows)))
    for probabilities in (torch.full((3,), 0.1), torch.full((len(log.items),), torch.nan)):
        with pytest.raises(ConfigError, match=r"log_q holds \d+ numbers; give a probability for each of the \d+ item"):
            model_of(log, Retrieval(pool=InBatch(log_q=probabilities)))
    with pytest.raises(ConfigError, match="a score_mask covers only the rows of the batch"):
        InBatch(score_mask=lambda batch: torch.ones(len(batch), len(batch)).bool(), spare="history")
    one = model_of(log, Retrieval(pool=InBatch(score_mask=lambda batch: torch.ones_like(batch.users).bool())))
    with pytest.raises(ConfigError, match=r"score_mask returned the shape \(60,\) for a batch of 60 rows"):
        one.losses(log.batch())


def test_chance_costs_one_whatever_the_pool(log: EventLog) -> None:
    for pool in (
        InBatch(log_q=False),
        InBatch(log_q=False, extra={"uniform": 100}),
        Catalogue(),
        InBatch(hardest=7, log_q=False),
        InBatch(hardest=1000, log_q=False),
    ):
        model = model_of(log, Retrieval(pool=pool))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.zero_()
        assert model.losses(log.batch())["retrieval"].item() == pytest.approx(1, rel=0.02)


def test_only_positives_are_learnt_from_and_compete(log: EventLog) -> None:
    model = model_of(log, Retrieval(positives="rating >= 4"))
    batch = log.batch()
    chosen = batch["rating"] >= 4
    losses = row_losses(model, batch, chance=int(chosen.sum()))
    assert not losses[~chosen].any()
    alone = row_losses(model, batch.take(chosen))
    torch.testing.assert_close(losses[chosen], alone)
    torch.testing.assert_close(model.losses(batch), model.losses(batch.take(chosen)))


@pytest.mark.parametrize("conditions", [{}, {"positives": "rating >= 4", "negatives": "rating <= 2"}], ids=str)
@pytest.mark.parametrize("pool", [InBatch, lambda: InBatch(spare="history"), Catalogue])
def test_rows_of_unknown_items_change_nothing(
    log: EventLog, pool: Callable[[], Pool], conditions: dict[str, str]
) -> None:
    known = torch.arange(len(log)) % 3 > 0
    partly = replace(log, columns={**log.columns, "item_id": log.columns["item_id"].where(known, 0)})
    found = []
    for rows in (partly, log.take(known)):
        model = model_of(rows, Retrieval(pool=pool(), item_bias=True, **conditions))
        loss = model.losses(rows.batch())["retrieval"]
        loss.backward()
        found.append([loss.detach(), *(weight.grad for weight in model.parameters() if weight.grad is not None)])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("pool", [InBatch(), Catalogue()], ids=repr)
def test_negatives_are_pushed_away(log: EventLog, pool: Pool) -> None:
    task = Retrieval(positives="rating >= 4", negatives="rating <= 2", pool=pool)
    model = model_of(log, task)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    batch = log.batch()
    high, low = batch["rating"] >= 4, batch["rating"] <= 2
    before = model.score(batch)["retrieval"]
    for _ in range(30):
        optimizer.zero_grad()
        model.losses(batch)["retrieval"].backward()
        optimizer.step()
    after = model.score(batch)["retrieval"]
    assert (after - before)[high].mean() > 0 > (after - before)[low].mean()
    assert not task.row_weights(batch)[low].any()  # judged by its positives alone


@pytest.mark.parametrize(
    "pool",
    [
        InBatch(),
        InBatch(spare="history", hardest=2),
        InBatch(score_mask=lambda batch: batch.users[:, None] > batch.items, spare="same item"),
        InBatch(extra={"uniform": 5}, spare="batch"),
        Catalogue(),
        Catalogue(spare="history", hardest=2),
    ],
    ids=repr,
)
def test_negatives_need_a_pool_but_no_positives(log: EventLog, pool: Pool) -> None:
    model = model_of(log, Retrieval(positives="rating >= 4", negatives="rating <= 2", pool=pool))
    batch = log.batch()
    low, middle = batch["rating"] <= 2, batch["rating"] == 3
    losses = row_losses(model, batch.take(low | middle), chance=math.e)
    losses.sum().backward()
    assert losses.isfinite().all()
    if isinstance(pool, InBatch) and not pool.draws:
        assert not losses.any()
        return
    pushed = low[low | middle]
    assert not losses[~pushed].any()
    assert (losses[pushed] > 0).all()
    if isinstance(pool, Catalogue):  # with or without positives in the batch the pool is the same
        torch.testing.assert_close(losses[pushed], row_losses(model, batch, chance=math.e)[low])


def test_a_row_cannot_be_positive_and_negative(log: EventLog) -> None:
    with pytest.raises(
        DataError, match=r"\d+ rows are both positives and negatives of task 'retrieval'; make the conditions"
    ):
        model_of(log, Retrieval(positives="rating >= 2", negatives="rating <= 2"))
