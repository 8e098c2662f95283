"""Learned log variances."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from motet.artifact.declaration import describe, rebuild
from motet.balancers import Balancer, DynamicWeightAverage, GradientBalancer, GradNorm, Uncertainty
from motet.data.log import EventLog
from motet.model import Model
from motet.optim import Adagrad
from motet.train import fit


def built(*names: str) -> Uncertainty:
    balancer = Uncertainty()
    balancer.build(names)
    return balancer


def test_by_hand() -> None:
    balancer = built("a", "b")
    balancer.log_variances[1].data.fill_(math.log(4))
    x = torch.tensor([3.0], requires_grad=True)
    balancer.backward({"a": 2 * x.sum(), "b": 8 * x.sum(), "own": x.sum()}, (x,))
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(0.5 * 2 + 0.5 * 8 / 4 + 1)
    slopes = [parameter.grad.item() for parameter in balancer.log_variances if parameter.grad is not None]
    assert slopes == pytest.approx([0.5 * (1 - 6), 0.5 * (1 - 24 / 4)])


def test_a_variance_settles_at_its_loss_whatever_the_scale() -> None:
    balancer = built("small", "large")
    optimizer = torch.optim.Adam(balancer.parameters(), lr=0.1)
    losses = {"small": torch.tensor(0.02), "large": torch.tensor(50.0)}
    for _ in range(300):
        optimizer.zero_grad()
        balancer.backward(losses, ())
        optimizer.step()
    found = [parameter.exp().item() for parameter in balancer.log_variances]
    assert found == pytest.approx([0.02, 50.0], rel=0.02)


def test_tasks_that_are_absent_or_without_labels_leave_their_variance_alone() -> None:
    balancer = built("a", "b", "c")
    x = torch.tensor([3.0], requires_grad=True)
    balancer.backward({"a": x.sum(), "b": 0 * x.sum()}, (x,))
    assert [parameter.grad is None for parameter in balancer.log_variances] == [False, True, True]


@pytest.mark.parametrize(
    "balancer",
    [Uncertainty(), DynamicWeightAverage(temperature=3.0), GradNorm(alpha=0.5, lr=0.1), GradientBalancer("mgda")],
    ids=lambda balancer: type(balancer).__name__,
)
def test_balancers_are_saved_with_the_model(balancer: Balancer, log: EventLog, build: Callable[..., Model]) -> None:
    model = build(balancer)
    fit(model, log, epochs=2, batch_size=30, optimizer=lambda p: Adagrad(p, lr=0.1), device="cpu", progress=False)
    declared = describe(model)
    assert declared is not None
    twin = rebuild(declared, log.users, log.items)
    twin.load_state_dict(model.state_dict())
    assert twin.balancer.config() == balancer.config()
    saved = [dict(each.balancer.state_dict()) for each in (model, twin)]
    assert saved[0].keys() == saved[1].keys()
    assert all(torch.equal(saved[0][name], saved[1][name]) for name in saved[0])


def test_fit_trains_the_variances_and_resumes_at_the_same_bits(
    log: EventLog, build: Callable[..., Model], tmp_path: Path
) -> None:
    def trained(epochs: int, *, resume: bool = False, checkpoint: Path | None = None) -> Model:
        model = build(Uncertainty())
        fit(
            model,
            log,
            epochs=epochs,
            batch_size=30,
            optimizer=lambda parameters: Adagrad(parameters, lr=0.1),
            resume=resume,
            checkpoint=checkpoint,
            progress=False,
        )
        return model

    whole = trained(4)
    moved = [parameter.item() for parameter in whole.balancer.parameters()]
    assert len(moved) == 3
    assert all(moved)
    trained(2, checkpoint=tmp_path / "run")
    resumed = trained(4, resume=True, checkpoint=tmp_path / "run")
    assert all(torch.equal(a, b) for a, b in zip(*(m.state_dict().values() for m in (whole, resumed)), strict=True))
