"""Numbers of a row that a head reads beside the vectors."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
import torch
from torch import Tensor

from motet import Categorical, EventLog, FeatureTower, Model, Numeric, Schema, fit
from motet.artifact.declaration import describe, rebuild
from motet.data.batch import Batch
from motet.errors import ConfigError, DataError
from motet.tasks import Event, Listwise, WithContext


def shown(rows: int = 400) -> EventLog:
    """Cheap things are bought, whoever looks at whatever."""
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randint(0, 20, (rows,), generator=generator).tolist() for _ in range(2))
    price = torch.rand(rows, generator=generator)
    frame = pl.DataFrame({"user_id": users, "item_id": items, "bought": (price < 0.4).int().tolist()})
    frame = frame.with_columns(price=pl.Series((100 * price).tolist()))
    return EventLog.read(frame, Schema(signals=("bought",), context_features={"price": Numeric()}))


def built(log: EventLog, task: WithContext) -> Model:
    torch.manual_seed(0)
    return Model(user=FeatureTower(log.users, dim=2), item=FeatureTower(log.items, dim=2), tasks=[task])


@pytest.mark.parametrize("vectors", [True, False])
@pytest.mark.parametrize("task", [lambda: Event("bought", hidden=(8,)), lambda: Listwise("bought", hidden=(8,))])
def test_a_head_learns_from_what_towers_do_not_see(task: type[Event], vectors: bool) -> None:
    log = shown()
    model = built(log, WithContext(task(), ["price"], vectors=vectors))
    fit(model, log, epochs=20, batch_size=100, device="cpu", progress=False)
    batch = log.batch()
    with torch.no_grad():
        scores = model.score(batch)["bought"]
    bought = batch["bought"] > 0
    assert scores[bought].mean() > scores[~bought].quantile(0.95)


def test_without_vectors_only_the_columns_count() -> None:
    log = shown(50)
    model = built(log, WithContext(Event("bought"), ["price"], vectors=False))
    model.prepare(log)
    loss = model.losses(log.batch())["bought"]
    assert model.user.ids.weight.grad_fn is None
    assert torch.autograd.grad(loss, model.user.ids.weight, allow_unused=True) == (None,)


def test_what_is_not_known_is_the_mean() -> None:
    log = shown(50)
    model = built(log, WithContext(Event("bought"), ["price"], vectors=False)).eval()
    model.prepare(log)
    batch = log.take(torch.tensor([0, 0])).batch()
    batch.columns["price"][:] = torch.tensor([torch.nan, float(log.columns["price"].mean())])  # type: ignore[index]
    with torch.no_grad():
        unknown, mean = model.score(batch)["bought"]
    assert unknown == pytest.approx(float(mean), abs=1e-6)


def test_rows_that_lack_a_label_or_the_task_reads_not_weigh_nothing() -> None:
    log = shown(50)
    task = WithContext(Event("bought", where="price > 20"), ["price"])
    built(log, task).prepare(log)
    batch = log.batch()
    assert torch.equal(task.labelled(batch), batch["price"] > 20)
    assert torch.equal(task.training_weights(batch), (batch["price"] > 20).float())
    assert task.columns == ("bought", "price")
    assert set(task.metrics()) == set(Event("bought").metrics())


def test_the_weights_of_rows_are_those_of_the_task() -> None:
    class Halved(Event):
        def row_weights(self, batch: Batch) -> Tensor:
            return super().row_weights(batch) / 2

    log = shown(50)
    task = WithContext(Halved("bought"), ["price"])
    built(log, task).prepare(log)
    assert (task.row_weights(log.batch()) == 0.5).all()
    assert torch.equal(task.training_weights(log.batch()), task.row_weights(log.batch()))


def test_it_is_saved_with_the_model() -> None:
    log = shown(50)
    model = built(log, WithContext(Event("bought"), ["price"], vectors=False))
    model.prepare(log)
    declared = describe(model)
    assert declared is not None
    again = rebuild(declared, log.users, log.items)
    again.load_state_dict(model.state_dict())
    scores = [each.eval().score(log.batch())["bought"] for each in (model, again)]
    assert torch.equal(*scores)


def test_what_it_cannot_read_is_refused() -> None:
    log = shown(50)
    with pytest.raises(ConfigError, match=r"'bought'.* has no columns; name at least one"):
        WithContext(Event("bought"), [])
    model = built(log, WithContext(Event("bought"), ["price"]))
    pairs = log.encode(log.frame().select("user_id", "item_id"), schema=Schema())
    with pytest.raises(DataError, match="task 'bought' reads the context column 'price', which these rows do not have"):
        model.score(pairs.batch())


def test_categories_are_no_numbers() -> None:
    events = pl.DataFrame({"user_id": [1, 2], "item_id": [1, 1], "bought": [0, 1], "device": ["tv", "phone"]})
    log = EventLog.read(events, Schema(signals=("bought",), context_features={"device": Categorical()}))
    with pytest.raises(
        DataError, match="needs numbers in column 'device', which holds categories such as 'phone'; read it"
    ):
        built(log, WithContext(Event("bought"), ["device"])).prepare(log)


def test_a_column_that_no_row_of_the_task_knows() -> None:
    log = shown(50)
    blank = {**log.columns, "price": torch.full((50,), torch.nan)}
    unlabelled = {**log.columns, "bought": torch.full((50,), torch.nan)}
    task = WithContext(Event("bought"), ["price"])
    with pytest.raises(
        DataError, match="task 'bought' reads the context column 'price', which is unknown in all of 50 rows that it"
    ):
        built(log, task).prepare(replace(log, columns=blank))
    built(log, WithContext(Event("bought"), ["price"])).prepare(replace(log, columns=blank | unlabelled))
    model = built(log, WithContext(Event("bought"), ["price"]))
    model.prepare(log)
    model.prepare(replace(log, columns=blank))  # only the first call measures
