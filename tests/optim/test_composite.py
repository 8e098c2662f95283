"""One optimizer for each part of a model."""

from __future__ import annotations

import itertools
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import nn

from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.errors import ConfigError, TrainingError
from motet.model import Model
from motet.optim import Adagrad, Composite
from motet.tasks import Rating, Retrieval
from motet.towers import FeatureTower
from motet.train import fit


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(2, 1))


def adam(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.05)


def sgd(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def composite(model: nn.Module) -> Composite:
    return Composite(model, [(sgd, lambda name: name.startswith("1")), (adam, None)])


def learn(model: nn.Module, *optimizers: torch.optim.Optimizer, steps: int = 4) -> None:
    rows = torch.linspace(-1, 1, 15).view(5, 3)
    for _ in range(steps):
        for optimizer in optimizers:
            optimizer.zero_grad()
        model(rows).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()


def test_each_part_moves_as_under_its_own_optimizer() -> None:
    models = [net(), net()]
    learn(models[0], composite(models[0]))
    learn(
        models[1], sgd(list(models[1][1].parameters())), adam([*models[1][0].parameters(), *models[1][2].parameters()])
    )
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_parts_may_be_given_as_parameters_and_may_come_out_empty() -> None:
    model = net()
    optimizer = Composite(model, [(sgd, model[0].parameters()), (adam, lambda name: "absent" in name), (adam, None)])
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 4]
    assert [type(part) for part in optimizer.optimizers] == [torch.optim.SGD, torch.optim.Adam]


def test_a_parameter_of_another_model_is_refused() -> None:
    other = torch.nn.Linear(5, 2)
    message = (
        r"part 2 of a Composite names a parameter of shape \(2, 5\) that is not the model's; take it from this Seq"
    )
    with pytest.raises(ConfigError, match=message):
        Composite(net(), [(adam, None), (sgd, [other.weight])])


def test_frozen_parameters_have_no_optimizer() -> None:
    model = net()
    model[2].requires_grad_(False)
    optimizer = Composite(model, [(sgd, lambda name: name[0] in "01")])
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4


def test_a_state_goes_on_where_it_was_taken() -> None:
    models = [net(), net()]
    optimizers = [composite(model) for model in models]
    learn(models[0], optimizers[0], steps=6)
    learn(models[1], optimizers[1], steps=3)
    resumed = composite(models[1])
    resumed.load_state_dict(optimizers[1].state_dict())
    learn(models[1], resumed, steps=3)
    assert all(torch.equal(a, b) for a, b in zip(*(model.parameters() for model in models), strict=True))
    assert set(resumed.state) == set(models[1].parameters())


def test_the_state_of_a_parameter_is_that_of_its_part() -> None:
    model = net()
    optimizer = composite(model)
    stranger = torch.nn.Parameter(torch.ones(1))
    assert optimizer.state[stranger] == {}
    learn(model, optimizer, steps=1)
    saved = optimizer.state_dict()["state"]
    for part in optimizer.optimizers:
        for parameter, state in part.state.items():
            assert optimizer.state[parameter] is state
    assert optimizer.state_dict()["state"].keys() == saved.keys()


def test_a_schedule_reaches_every_part() -> None:
    model = net()
    optimizer = composite(model)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    learn(model, optimizer, steps=1)
    schedule.step()
    assert [part.param_groups[0]["lr"] for part in optimizer.optimizers] == [0.05, 0.025]


def test_it_returns_what_the_closure_returns() -> None:
    model = net()

    def closure() -> float:
        loss = model(torch.ones(1, 3)).square().sum()
        loss.backward()
        return loss.item()

    first = closure()
    assert composite(model).step(closure) == first
    assert closure() < first


def test_fit_resumes_with_it_at_the_same_bits(tmp_path: Path) -> None:
    pairs = list(itertools.product(range(8), range(6)))
    events = {
        "user_id": [u for u, _ in pairs],
        "item_id": [i for _, i in pairs],
        "rating": [u % 3 + i % 2 for u, i in pairs],
    }
    log = EventLog.read(pl.DataFrame(events), Schema(signals=("rating",)))

    def trained(epochs: int, *, resume: bool = False, checkpoint: Path | None = None) -> Model:
        torch.manual_seed(1)
        towers = {"user": FeatureTower(log.users, dim=4, sparse=True), "item": FeatureTower(log.items, dim=4)}
        model = Model(**towers, tasks=[Rating(hidden=(4,)), Retrieval()])
        tables = (lambda parameters: Adagrad(parameters, lr=0.1), lambda name: name.startswith("user."))
        optimizer = Composite(model, [tables, (adam, None)])
        fit(
            model,
            log,
            epochs=epochs,
            batch_size=20,
            optimizer=optimizer,
            progress=False,
            resume=resume,
            checkpoint=checkpoint,
        )
        return model

    whole = trained(4)
    trained(2, checkpoint=tmp_path / "run")
    resumed = trained(4, resume=True, checkpoint=tmp_path / "run")
    assert all(torch.equal(a, b) for a, b in zip(*(m.state_dict().values() for m in (whole, resumed)), strict=True))
    model = Model(
        user=FeatureTower(log.users, dim=4),
        item=FeatureTower(log.items, dim=4),
        tasks=[Rating(hidden=(4,)), Retrieval()],
    )
    with pytest.raises(TrainingError, match="does not fit this model and optimizer: the state has 2 parameter groups"):
        fit(
            model,
            log,
            optimizer=Composite(model, [(adam, None)]),
            resume=True,
            checkpoint=tmp_path / "run",
            progress=False,
        )


def test_errors() -> None:
    model = net()
    with pytest.raises(ConfigError, match=r"parameter '0.weight' belongs to parts 1 and 3 of a Composite; narrow one"):
        Composite(model, [(sgd, model[0].parameters()), (adam, None), (adam, lambda name: name.endswith("weight"))])
    with pytest.raises(
        ConfigError, match=r"'1.weight' belongs to no part of a Composite and would not be trained; add"
    ):
        Composite(model, [(sgd, model[0].parameters())])
    with pytest.raises(
        ConfigError, match="two parts of a Composite take all that is left; give one of them a condition"
    ):
        Composite(model, [(sgd, None), (adam, None)])
    with pytest.raises(ValueError, match="the state has 1 parameter groups, but the parts have 2"):
        composite(model).load_state_dict(adam(list(model.parameters())).state_dict())
