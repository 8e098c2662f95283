"""The contract of a balancer."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import partial

import polars as pl
import torch
from torch import Tensor

from motet.balancers.base import Balancer
from motet.balancers.fixed import Fixed
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.model import Model
from motet.tasks import Rating, Retrieval
from motet.testing.precision import BFLOAT16, for_some_weights
from motet.towers.feature import FeatureTower

TASKS = ("stars", "mood", "retrieval")


def check_balancer(build: Callable[[], Balancer], *, seed: int = 0) -> None:
    """Check that a balancer reaches every parameter, tolerates missing tasks and labels, and resumes from its state.

    Args:
        build: Returns a new balancer.
        seed: Seed of the log and the model.

    Raises:
        AssertionError: If the balancer breaks the contract.

    Example:
        >>> from motet.balancers import Fixed
        >>> check_balancer(Fixed)
    """
    with torch.random.fork_rng():
        log = _log(seed)
        make = partial(_model, log, seed=seed)
        model = make(build())
        for batch, what in (
            (log.batch(), "a batch with every task"),
            (_without(log.batch(), "mood"), "a batch without the column of a task"),
            (_unlabelled(log.batch(), "mood"), "a batch without the labels of a task"),
            (log.batch(), "a batch with every task, after others"),
        ):
            _check_gradients(model, batch, what)
            model.balancer.epoch_ended({name: float(loss.detach()) for name, loss in model.losses(batch).items()})
        for_some_weights(lambda draw: _rounded(_model(log, build(), seed=seed + draw), log.batch(), seed))
        for name in TASKS:
            _check_alone(make(build()), make(Fixed()), log.batch(), name)
        twin = make(type(model.balancer)(**json.loads(json.dumps(model.balancer.config()))))
        twin.load_state_dict(model.state_dict())
        first, second = (_gradients(each, log.batch(), seed) for each in (model, twin))
        assert all(torch.equal(first[name], second[name]) for name in first), (
            "a balancer with the same config and state gives different gradients"
        )


def _log(seed: int) -> EventLog:
    draw = partial(torch.randint, size=(80,), generator=torch.Generator().manual_seed(seed))
    rows = {"user_id": draw(9), "item_id": draw(14), "stars": draw(5), "mood": draw(3)}
    columns = {name: values.tolist() for name, values in rows.items()}
    columns["mood"] = [None if row % 3 else value for row, value in enumerate(columns["mood"])]
    return EventLog.read(pl.DataFrame(columns), Schema(signals=("stars", "mood")))


def _model(log: EventLog, balancer: Balancer, *, seed: int) -> Model:
    torch.manual_seed(seed)
    model = Model(
        user=FeatureTower(log.users, dim=4, features=(), sparse=True),
        item=FeatureTower(log.items, dim=4, features=()),
        tasks=[Rating("stars", hidden=(4,), product=True), Rating("mood", hidden=()), Retrieval()],
        balancer=balancer,
    )
    model.prepare(log)
    return model


def _without(batch: Batch, column: str) -> Batch:
    columns = {name: values for name, values in batch.columns.items() if name != column}
    return Batch(columns, batch.user_key, batch.item_key)


def _unlabelled(batch: Batch, column: str) -> Batch:
    empty = torch.full_like(batch[column], float("nan"))
    return Batch({**batch.columns, column: empty}, batch.user_key, batch.item_key)


def _gradients(model: Model, batch: Batch, seed: int = 0, *, rounded: bool = False) -> dict[str, Tensor]:
    """The gradients of towers and heads by parameter name, dense."""
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=rounded):
        losses = model.losses(batch)
    torch.manual_seed(seed)
    model.balancer.backward(model.weigh(losses), losses.shared)
    named = {name: p for name, p in model.named_parameters() if not name.startswith("balancer.") and p.requires_grad}
    return {name: parameter.grad.to_dense() for name, parameter in named.items() if parameter.grad is not None}


def _check_gradients(model: Model, batch: Batch, what: str) -> None:
    found = _gradients(model, batch)
    trained = set(model.losses(batch))
    for place, task in enumerate(model.tasks):
        for name, parameter in model.named_parameters():
            owed = name.startswith(("user.", "item.")) or (name.startswith(f"_tasks.{place}.") and task in trained)
            assert not owed or not parameter.requires_grad or name in found, f"no gradient reaches {name} in {what}"
    for name, gradient in found.items():
        assert gradient.isfinite().all(), f"the gradient of {name} is not finite in {what}"
    for side in ("user.", "item."):
        assert any(gradient.any() for name, gradient in found.items() if name.startswith(side)), (
            f"the gradient of {side[:-1]} tower is 0 in {what}"
        )


def _rounded(model: Model, batch: Batch, seed: int) -> str:
    """What differs if the losses are computed under autocast: their gradient should be nearly the same."""
    found, expected = (
        torch.cat([gradient.flatten() for gradient in _gradients(each, batch, seed, rounded=rounded).values()])
        for each, rounded in ((copy.deepcopy(model), True), (model, False))
    )
    off = float((found - expected).norm() / expected.norm())
    return "" if off < BFLOAT16 else f"under torch.autocast, the gradient is {off:.2g} of its norm away from float32"


def _check_alone(model: Model, plain: Model, batch: Batch, task: str) -> None:
    """A single task has the same gradient as without a balancer, up to a factor."""
    for each in (model, plain):
        each.weights = {name: float(name == task) for name in TASKS}
    found, expected = (
        torch.cat([gradient.flatten() for gradient in _gradients(each, batch).values()]) for each in (model, plain)
    )
    assert found.shape == expected.shape, f"{task!r} alone reaches different parameters than without a balancer"
    cosine = float(torch.cosine_similarity(found, expected, dim=0))
    assert cosine > 1 - 1e-5, f"{task!r} alone has a different gradient than without a balancer: cosine {cosine:.6f}"
