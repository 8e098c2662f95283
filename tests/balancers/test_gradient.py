"""Combinations of gradients at the shared vectors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch import Tensor

from motet.balancers import Balancer, Fixed, GradientBalancer
from motet.balancers.conflict import task_gradients
from motet.balancers.gradient import Method
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.model import Model
from motet.optim import Adagrad
from motet.tasks import Catalogue, InBatch, Pool, Rating, Retrieval
from motet.towers import FeatureTower
from motet.train import fit

METHODS = get_args(Method)


def combined(method: str, gradients: list[list[float]]) -> Tensor:
    """The direction for losses that are linear in one shared vector."""
    start = torch.zeros(len(gradients[0]), requires_grad=True)
    vector = 1.0 * start
    losses = {str(task): vector @ torch.tensor(gradient) for task, gradient in enumerate(gradients)}
    GradientBalancer(method).backward(losses, (vector,))  # type: ignore[arg-type]
    assert start.grad is not None
    return start.grad


def trained_gradients(model: Model, log: EventLog) -> dict[str, Tensor]:
    losses = model.losses(log.batch())
    model.balancer.backward(model.weigh(losses), losses.shared)
    return {name: p.grad.to_dense() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("method", ["upgrad", "dualproj", "pcgrad"])
def test_tasks_that_do_not_conflict_are_added(method: str) -> None:
    torch.testing.assert_close(combined(method, [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]), torch.tensor([1.0, 2.0, 0.0]))
    torch.testing.assert_close(combined(method, [[1.0, 0.5], [0.5, 1.0]]), torch.tensor([1.5, 1.5]))


@pytest.mark.parametrize("method", [method for method in METHODS if method != "cagrad"])
@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_conflicting_tasks_lead_neither_loss_up(method: str, scale: float) -> None:
    gradients = scale * torch.tensor([[3.0, 1.0], [-1.0, 0.5]])
    direction = combined(method, gradients.tolist())
    assert direction.isfinite().all()
    assert (gradients @ direction >= -1e-5 * gradients.norm(dim=1) * direction.norm()).all()
    assert (gradients @ gradients.sum(0)).min() < 0  # which the plain sum does


def test_cagrad_is_better_for_the_worst_task_than_the_sum_and_stays_near_it() -> None:
    gradients = torch.tensor([[3.0, 1.0], [-1.0, 0.5]])
    direction, mean = combined("cagrad", gradients.tolist()) / 2, gradients.mean(0)
    assert (gradients @ direction).min() > (gradients @ mean).min()
    assert (direction - mean).norm().item() == pytest.approx(0.4 * mean.norm().item(), rel=1e-3)


@pytest.mark.parametrize("method", ["upgrad", "dualproj"])
def test_losses_a_thousand_times_apart_lead_neither_up(method: str) -> None:
    gradients = torch.tensor([[1000.0, 1.0], [-0.1, 1.0]])
    direction = combined(method, gradients.tolist()).double()
    assert (gradients.double() @ direction >= -1e-4 * gradients.norm(dim=1) * direction.norm()).all()


def test_upgrad_is_that_of_its_authors() -> None:
    expected = 2 * torch.tensor([0.2929, 1.9004, 1.9004])  # theirs averages
    torch.testing.assert_close(combined("upgrad", [[-4.0, 1, 1], [6.0, 1, 1]]), expected, atol=2e-3, rtol=0)


def test_aligned_gradients_are_orthogonal_and_of_one_length() -> None:
    direction = combined("aligned-mtl", [[100.0, 0.0], [0.0, 1.0]])
    torch.testing.assert_close(direction, torch.tensor([1.0, 1.0]))


@pytest.mark.parametrize("method", METHODS)
def test_heads_get_their_own_gradients_and_towers_the_combination(
    method: str, log: EventLog, build: Callable[..., Model]
) -> None:
    weights = {"stars": 1.0, "mood": 3.0, "retrieval": 2.0}
    balanced, plain = build(GradientBalancer(method), **weights), build(Fixed(), **weights)  # type: ignore[arg-type]
    torch.manual_seed(5)
    found, expected = trained_gradients(balanced, log), trained_gradients(plain, log)
    assert found.keys() == expected.keys()
    for name in found:
        if name.startswith("_tasks"):
            torch.testing.assert_close(found[name], expected[name])
    losses = plain.losses(log.batch())
    rows = torch.stack(list(task_gradients(plain.weigh(losses), losses.shared).values()))
    torch.manual_seed(5)
    direction = balanced.balancer.coefficients(rows @ rows.T) @ rows  # type: ignore[operator]
    towers = torch.cat([found["user.ids.weight"][1:].flatten(), found["item.ids.weight"][1:].flatten()])
    torch.testing.assert_close(towers, direction)


@pytest.mark.parametrize("pool", [Catalogue(), InBatch(extra={"uniform": 5})], ids=["catalogue", "extra negatives"])
@pytest.mark.parametrize("absent", ["", "mood"])
def test_items_beyond_the_batch_take_part(log: EventLog, pool: Pool, absent: str) -> None:
    tables = ("user.ids.weight", "item.ids.weight")
    columns = log.batch().take(slice(0, 6)).columns
    batch = Batch({name: column for name, column in columns.items() if name != absent})

    def gradients(balancer: Balancer, **weights: float) -> dict[str, Tensor]:
        torch.manual_seed(0)
        towers = [FeatureTower(side, dim=4, features=(), sparse=True) for side in (log.users, log.items)]
        tasks = [Rating("stars", hidden=(4,)), Rating("mood", hidden=()), Retrieval(pool=pool)]
        model = Model(user=towers[0], item=towers[1], tasks=tasks, weights=weights, balancer=balancer)
        model.prepare(log)
        losses = model.losses(batch)
        balancer.backward(model.weigh(losses), losses.shared)
        return {name: p.grad.to_dense() for name, p in model.named_parameters() if p.grad is not None}

    names = [name for name in ("stars", "mood", "retrieval") if name != absent]
    others = {name: {other: 0.0 for other in ("stars", "mood", "retrieval") if other != name} for name in names}
    alone = [gradients(Fixed(), **others[name]) for name in names]
    rows = torch.stack([torch.cat([found[table].flatten() for table in tables]) for found in alone])
    balancer = GradientBalancer("aligned-mtl")
    for each, coefficients in ((Fixed(), torch.ones(len(rows))), (balancer, balancer.coefficients(rows @ rows.T))):
        found = gradients(each)
        torch.testing.assert_close(torch.cat([found[table].flatten() for table in tables]), coefficients @ rows)


@pytest.mark.parametrize("method", METHODS)
def test_tasks_without_a_gradient_play_no_part(method: str) -> None:
    both = combined(method, [[3.0, 1.0], [-1.0, 0.5]])
    torch.testing.assert_close(combined(method, [[3.0, 1.0], [0.0, 0.0], [-1.0, 0.5]]), both)
    torch.testing.assert_close(combined(method, [[3.0, 1.0], [0.0, 0.0]]), torch.tensor([3.0, 1.0]))
    torch.testing.assert_close(combined(method, [[0.0, 0.0], [0.0, 0.0]]), torch.zeros(2))


def test_a_frozen_tower_is_left_alone(log: EventLog, build: Callable[..., Model]) -> None:
    model = build(GradientBalancer())
    model.user.requires_grad_(False)
    found = trained_gradients(model, log)
    assert "user.ids.weight" not in found
    assert found["item.ids.weight"].any()


def test_fit_takes_it_and_resumes_at_the_same_bits(log: EventLog, build: Callable[..., Model], tmp_path: Path) -> None:
    def trained(epochs: int, *, resume: bool = False, checkpoint: Path | None = None) -> Model:
        model = build(GradientBalancer("pcgrad"))
        history = fit(
            model,
            log,
            epochs=epochs,
            batch_size=30,
            optimizer=lambda parameters: Adagrad(parameters, lr=0.1),
            resume=resume,
            checkpoint=checkpoint,
            progress=False,
        )
        assert history["loss/stars"][-1] < history["loss/stars"][0]
        return model

    whole = trained(4)
    trained(2, checkpoint=tmp_path / "run")
    resumed = trained(4, resume=True, checkpoint=tmp_path / "run")
    assert all(torch.equal(a, b) for a, b in zip(*(m.state_dict().values() for m in (whole, resumed)), strict=True))


@pytest.mark.usefixtures("unchecked_types")
def test_errors() -> None:
    with pytest.raises(ConfigError, match=r"method='upgrade' is not one of 'upgrad', .*; did you mean 'upgrad'"):
        GradientBalancer("upgrade")  # type: ignore[arg-type]
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(
        ConfigError, match="GradientBalancer needs the vectors that the tasks share; return the result of Model"
    ):
        GradientBalancer().backward({"a": x[0], "b": x[1]}, ())


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    words = r"GradientBalancer needs more packages .*; install them: pip install 'motet\[balance\]'"
    with monkeypatch.context() as patch:
        patch.setattr("torchjd._mixins.find_spec", lambda _: None)
        with pytest.raises(ConfigError, match=words):
            combined("cagrad", [[1.0, 0.0], [-1.0, 1.0]])
    monkeypatch.setitem(sys.modules, "torchjd", None)
    with pytest.raises(ConfigError, match=words):
        combined("upgrad", [[1.0, 0.0], [-1.0, 1.0]])
