"""Who pulls where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor

from motet.balancers.conflict import Conflict


def figures(losses: Mapping[str, Tensor], shared: Sequence[Tensor]) -> dict[str, float]:
    """Of one batch."""
    found = Conflict()
    found.update(losses, shared)
    return found.figures()


def vectors(*rows: Sequence[float]) -> Tensor:
    return torch.tensor(rows, requires_grad=True)


def test_by_hand() -> None:
    x = torch.tensor([1.0, 0.0], requires_grad=True)
    y = torch.tensor([1.0], requires_grad=True)
    losses = {"right": 3 * x[0], "up": x[1] + 0 * y[0], "left": -x[0] - y[0]}
    found = figures(losses, (x, y))
    whole = 3 + 1 + math.sqrt(2)
    assert found["gradient/right"] == pytest.approx(3 / whole)
    assert found["gradient/left"] == pytest.approx(math.sqrt(2) / whole)
    assert found["cosine/right/up"] == pytest.approx(0)
    assert found["cosine/right/left"] == pytest.approx(-1 / math.sqrt(2))


def test_one_task_or_nothing_shared_is_no_conflict() -> None:
    x = torch.ones(1, requires_grad=True)
    assert figures({"only": x.sum()}, (x,)) == {}
    assert figures({"a": x.sum(), "b": x.sum()}, ()) == {}


def test_a_task_without_gradient_has_share_and_cosine_zero() -> None:
    x = torch.ones(2, requires_grad=True)
    other = torch.ones(1, requires_grad=True)
    found = figures({"a": x.sum(), "b": other.sum()}, (x,))
    assert found == {"gradient/a": 1.0, "gradient/b": 0.0, "cosine/a/b": 0.0}


def test_a_batch_is_walked_through_only_for_what_is_new() -> None:
    found, x = Conflict(), vectors([1.0, 1.0])
    found.update({"a": x[0, 0], "b": x[0, 1], "c": x.sum()}, (x,), held=["a", "b"])
    first = found.figures()
    found.update({"a": torch.zeros(()), "b": torch.zeros(())}, (x,))  # no graph: it would fail
    assert found.figures() == first
    assert first == {"gradient/a": 0.5, "gradient/b": 0.5, "cosine/a/b": 0.0}


def test_a_share_counts_the_batches_that_hold_the_task() -> None:
    found, x = Conflict(), vectors([1.0, 1.0])
    for held in (["a", "b"], ["a"], ["a"]):
        found.update({"a": x[0, 0], "b": x[0, 1]}, (x,), held=held)
    assert found.figures()["gradient/a"] == pytest.approx(0.75)


def test_tasks_of_two_logs_meet_at_the_entities_of_both() -> None:
    found, first, second = Conflict(), vectors([1.0, 0.0], [5.0, 5.0]), vectors([9.0, 9.0], [0.0, 1.0], [1.0, 1.0])
    users, others = torch.tensor([2, 7]), torch.tensor([1, 2, 8])
    found.update({"a": first[0].sum() + first[1].sum()}, (first,), rows=[users])
    found.update({"b": second[1, 0] - second[0].sum()}, (second,), rows=[others])
    # User 2 alone is in both batches: (1, 1) against (1, 0).
    assert found.figures()["cosine/a/b"] == pytest.approx(1 / math.sqrt(2))
    assert found.figures()["gradient/a"] == pytest.approx(2 / (2 + math.sqrt(3)))


@pytest.mark.parametrize("rows", [[torch.tensor([3])], [None]])
def test_tasks_that_never_meet_have_no_cosine(rows: list[Tensor | None]) -> None:
    found, x = Conflict(), vectors([1.0, 1.0])
    found.update({"a": x.sum()}, (x,), rows=[None if rows[0] is None else torch.tensor([2])])
    found.update({"b": x.sum()}, (x,), rows=rows)
    assert math.isnan(found.figures()["cosine/a/b"])
    found.update({"b": -x.sum(), "a": x.sum()}, (x,), rows=rows)
    assert found.figures()["cosine/a/b"] == pytest.approx(-1)
