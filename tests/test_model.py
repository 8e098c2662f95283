"""Model: towers and tasks put together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import polars as pl
import pytest
import torch
from torch import Tensor

from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.schema import Categorical, Numeric, Schema
from motet.errors import ConfigError, DataError
from motet.model import Model
from motet.tasks import (
    BPR,
    Catalogue,
    Event,
    InBatch,
    Ordinal,
    Rating,
    Retrieval,
    Rows,
    SampledBinary,
    Task,
    WholeCatalogue,
)
from motet.towers import ContextTower, FeatureTower, context_columns

READERS: list[Callable[[], Task]] = [
    Retrieval,
    lambda: Retrieval(pool=Catalogue()),
    lambda: Retrieval(pool=InBatch(extra={"uniform": 2})),
    lambda: Retrieval(pool=InBatch(extra=torch.tensor([2, 1])), positives="rating > 3"),
    lambda: BPR(draws=2),
    lambda: SampledBinary(draws=3),
    WholeCatalogue,
]


def log_of(**columns: list[object]) -> EventLog:
    events = {"user_id": [1, 1, 2, 3], "item_id": ["a", "b", "a", "c"], "rating": [5, None, 3, 1], **columns}
    signals = tuple(name for name in events if name not in ("user_id", "item_id", "hour"))
    context = {"hour": Numeric()} if "hour" in events else {}
    return EventLog.read(pl.DataFrame(events), Schema(signals=signals, context_features=context))


def model_of(log: EventLog, **arguments: object) -> Model:
    torch.manual_seed(0)
    towers = {"user": FeatureTower(log.users, dim=4), "item": FeatureTower(log.items, dim=4)}
    model = Model(**{**towers, "tasks": [Retrieval(), Rating(hidden=(4,))], **arguments})  # type: ignore[arg-type]
    model.prepare(log)
    return model


def test_vectors_belong_to_their_rows() -> None:
    log = log_of()
    model, batch = model_of(log), log.batch()
    user, item = model(batch)
    assert torch.equal(user, model.user.ids.weight[batch.users])
    assert torch.equal(item, model.item.ids.weight[batch.items])


def test_rows_with_context_have_a_vector_each() -> None:
    log = log_of(hour=[1.0, 20.0, 3.0, 4.0])
    tower = ContextTower(log.users, context=context_columns(log), dim=4, init_scale=1.0)
    model = model_of(log, user=tower)
    user, _ = model(log.batch())
    assert not torch.equal(user[0], user[1])
    losses = model.losses(log.batch())
    assert losses["retrieval"].isfinite()
    apart = model.losses(log.batch().separate("user_id"))
    torch.testing.assert_close(losses, apart)


@pytest.mark.parametrize("build", READERS)
def test_tasks_meet_at_distinct_vectors_which_hold_their_whole_gradient(build: Callable[[], Task]) -> None:
    log = log_of()
    model = model_of(log, tasks=[build(), Rating(hidden=(4,)), Retrieval("other", pool=Catalogue())])
    losses = model.losses(log.batch().take(torch.tensor([0, 2, 3])))
    _, *items = losses.rows
    assert torch.cat(items).unique().tolist() == torch.cat(items).sort().values.tolist() == [1, 2, 3]
    sides = ((model.user, losses.shared[:1], losses.rows[:1]), (model.item, losses.shared[1:], items))
    for loss in losses.values():
        for tower, vectors, rows in sides:
            there = torch.autograd.grad(loss, vectors, retain_graph=True, allow_unused=True)
            (table,) = torch.autograd.grad(loss, [tower.ids.weight], retain_graph=True)
            expected = torch.zeros_like(table)
            for part, held in zip(there, rows, strict=True):
                expected[held] = 0.0 if part is None else part
            torch.testing.assert_close(table, expected)


def test_weights_are_changed_without_building_anew() -> None:
    log = log_of()
    model = model_of(log, weights={"rating": 0.0})
    assert model.weights == {"retrieval": 1.0, "rating": 0.0}
    assert set(model.losses(log.batch())) == {"retrieval"}
    model.weights = {"retrieval": 2}
    assert model.weights == {"retrieval": 2.0, "rating": 1.0}
    assert set(model.losses(log.batch())) == {"retrieval", "rating"}


def test_sum_and_mean_reduction() -> None:
    log = log_of()
    mean = model_of(log).losses(log.batch())["retrieval"]
    total = model_of(log, tasks=[Retrieval(reduction="sum")]).losses(log.batch())["retrieval"]
    torch.testing.assert_close(total, 4 * math.log(4) * mean)  # the mean is divided by its value at chance


def test_a_batch_without_labels_has_loss_zero_and_no_gradient() -> None:
    log = log_of()
    model = model_of(log)
    loss = model.losses(log.batch().take(torch.tensor([1])))["rating"]
    assert loss.item() == 0
    assert not any(grad.any() for grad in torch.autograd.grad(loss, list(model.user.parameters())))


def test_a_task_that_is_not_trained_and_has_no_rows_stays_as_it_is() -> None:
    log = log_of()
    untrained = [Rating("stars", biases=True), Retrieval(positives="rating > 100", item_bias=True)]
    log = log_of(stars=[None] * 4)
    model = model_of(log, tasks=[*untrained, Rating("rating")], weights={"stars": 0, "retrieval": 0})
    model.prepare(log)
    assert all(scores.isfinite().all() for scores in model.score(log.batch()).values())
    assert not any(task.prepared for task in untrained)


def test_a_row_without_a_label_needs_no_weight() -> None:
    log = log_of(rating=[1.0, None, 3.0, 4.0], weight=[1, None, 1, 1])
    model = model_of(log, tasks=[Rating(where=Rows(weight="weight"), hidden=())])
    model.check(log)
    assert model.losses(log.batch())["rating"].isfinite()


@pytest.mark.parametrize("build", [Retrieval, BPR, SampledBinary, WholeCatalogue])
def test_a_loop_of_ones_own_has_to_prepare_the_model(build: Callable[[], Task]) -> None:
    log = log_of()
    towers = {"user": FeatureTower(log.users, dim=4), "item": FeatureTower(log.items, dim=4)}
    with pytest.raises(ConfigError, match=r"has not counted the positives .*; call model.prepare\(train\) before"):
        Model(**towers, tasks=[build()]).losses(log.batch())


def test_double_precision_and_missing_labels_go_together() -> None:
    log = log_of(liked=[1, None, 0, 1])
    for task in (Rating(hidden=(4,)), Ordinal(), Event("liked"), Retrieval(positives="rating > 2")):
        model = model_of(log, tasks=[task]).double()
        assert model.losses(log.batch())[task.name].dtype == torch.float64


def test_a_subclass_brings_its_own_loss() -> None:
    class Mine(Model):
        def compute_loss(self, batch: Batch) -> Mapping[str, Tensor]:
            user, item = self(batch)
            return {"distance": ((user - item) ** 2).sum(1).mean()}

    log = log_of()
    towers = {"user": FeatureTower(log.users, dim=4), "item": FeatureTower(log.items, dim=4)}
    assert set(Mine(**towers, tasks=[Retrieval()]).compute_loss(log.batch())) == {"distance"}


def test_task_names_and_weights_are_checked() -> None:
    log = log_of()
    for name in ("served", "a/b", ""):
        with pytest.raises(ConfigError, match=f"a task is called '{name}'; the name must not be empty, contain '/' or"):
            model_of(log, tasks=[Retrieval(name)])
    with pytest.raises(ConfigError, match="two tasks are called 'retrieval'"):
        model_of(log, tasks=[Retrieval(), Retrieval()])
    with pytest.raises(
        ConfigError, match=r"weights names 'ratings' \(1.0\), which is not a task; did you mean 'rating'"
    ):
        model_of(log, weights={"ratings": 1.0})
    with pytest.raises(ConfigError, match=r"weight of task 'rating' is -1.0; it must be finite, and 0 or more"):
        model_of(log, weights={"rating": -1.0})
    with pytest.raises(ConfigError, match="is nan; it must be finite"):
        model_of(log, weights={"rating": float("nan")})
    with pytest.raises(ConfigError, match=r"every task has weight 0 .*; give one of them a weight above 0"):
        model_of(log, weights={"rating": 0, "retrieval": 0})


def test_a_log_with_other_ids_is_refused() -> None:
    log = log_of()
    model = model_of(log)
    with pytest.raises(
        DataError, match=r"the model knows 3 items, and the log numbers its 4 differently; read it with"
    ):
        model.check(log_of(item_id=["a", "b", "c", "d"]))
    swapped = Model(user=model.item, item=model.user, tasks=[Rating(hidden=(4,))])
    with pytest.raises(
        DataError, match=r"user tower embeds 'item_id', and the users of the log are 'user_id'; build it"
    ):
        swapped.check(log)


def test_any_task_name_will_do() -> None:
    log = log_of(items=[1, 0, 1, 0])
    assert set(model_of(log, tasks=[Retrieval("type"), Rating("items")]).losses(log.batch())) == {"type", "items"}


def test_labels_are_checked_against_the_log() -> None:
    log = log_of(stars=[None] * 4, weight=[1, 1, -1, 1], nothing=[0, 0, 0, 0])
    with pytest.raises(
        DataError,
        match=r"task 'ratin' reads column 'ratin', which is not in the log; did you mean 'rating'.* under signals",
    ):
        model_of(log, tasks=[Rating("ratin")]).check(log)
    with pytest.raises(
        DataError, match="task 'stars' has nothing to learn from: none of 4 rows has a value in 'stars'"
    ):
        model_of(log, tasks=[Rating("stars")]).check(log)
    with pytest.raises(DataError, match="task 'rating' has nothing to learn from: the log has no rows"):
        model_of(log, tasks=[Rating()]).check(log.take(slice(0)))
    strangers = log.encode(pl.DataFrame({**log.frame().to_dict(as_series=False), "item_id": ["?"] * 4}))
    with pytest.raises(DataError, match=r"none of 4 rows has an item that the model knows; check column 'item_id'"):
        model_of(log, tasks=[Retrieval()]).check(strangers)
    with pytest.raises(DataError, match=r"row 2 \(.*\) has weight -1.0 for task 'rating'; .* check column 'weight'"):
        model_of(log, tasks=[Rating(where=Rows(weight="weight"))]).check(log)
    with pytest.raises(DataError, match="all rows have weight 0 for task 'rating'; check column 'nothing'"):
        model_of(log, tasks=[Rating(where=Rows(weight="nothing"))]).check(log)
    kinds = Schema(signals=("rating",), context_features={"stars": Categorical()})
    stars = EventLog.read(pl.DataFrame({"user_id": [1], "item_id": [1], "stars": [5], "rating": [1.0]}), kinds)
    for task in (Rating("stars"), Rating("rating", where=Rows(weight="stars"))):
        with pytest.raises(
            DataError, match="needs numbers in column 'stars', which holds categories such as 5; declare it"
        ):
            Model(user=FeatureTower(stars.users), item=FeatureTower(stars.items), tasks=[task]).check(stars)
    timed = Schema(user="user_id", time="time", signals=("rating",))
    old = EventLog.read(
        pl.DataFrame({"user_id": [1, 2], "item_id": [1, 2], "time": [0, 900_000_000], "rating": [1, 2]}), timed
    )
    with pytest.raises(
        DataError, match=r"all rows have weight 0 for task 'rating': they are too old for half_life_days=1"
    ):
        model_of(old, tasks=[Rating(where=Rows("rating == 1", half_life_days=1))]).check(old)
    pushing = Retrieval(positives="rating >= 4", negatives=Rows("rating < 4", weight="weight"))
    with pytest.raises(DataError, match=r"row 2 \(.*\) has weight -1.0 for task 'retrieval'; .* check column 'weight'"):
        model_of(log, tasks=[pushing]).check(log)
    with pytest.raises(DataError, match="reads column 'wait', which is not in the log; did you mean 'weight'"):
        model_of(log, tasks=[Retrieval(positives=Rows(weight="wait"), pool=InBatch())]).check(log)
    model_of(log, tasks=[Rating("stars"), Retrieval()], weights={"stars": 0.0}).check(log)
    elsewhere = model_of(log, tasks=[Event("clicked"), Retrieval()], weights={"clicked": 0.0})
    elsewhere.check(log)  # as one that is not trained may have its column in another log
    assert not elsewhere.tasks["clicked"].prepared
