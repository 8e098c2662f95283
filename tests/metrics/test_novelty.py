from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from motet.metrics import novelty, popularity, popularity_lift

USERS, ITEMS, K = 8, 15, 4


@pytest.fixture
def had() -> tuple[Tensor, Tensor]:
    """Pairs of a line and an item row; the last line has none, and item 15 nobody had."""
    pairs = [(user, item) for user in range(USERS - 1) for item in range(1, ITEMS) if (user * 5 + item * item) % 3 == 0]
    lines, items = zip(*pairs, strict=True)
    return torch.tensor(lines), torch.tensor(items)


@pytest.fixture
def lists() -> Tensor:
    generator = torch.Generator().manual_seed(2)
    lines = torch.stack([torch.randperm(ITEMS, generator=generator)[:K] + 1 for _ in range(USERS)])
    lines[0, 1:] = 0
    lines[1] = 0
    lines[2, 0] = ITEMS
    return lines


def test_novelty_is_the_loop_over_lists(lists: Tensor, had: tuple[Tensor, Tensor]) -> None:
    shares = popularity(had[1], ITEMS + 1, USERS - 1)
    lines = []
    for line in lists.tolist():
        people = [sum(item == other for other in had[1].tolist()) for item in line if item]
        lines += [sum(-math.log2(max(count, 1) / (USERS - 1)) for count in people) / len(people)] if people else []
    assert novelty(lists, shares, least=1 / (USERS - 1)) == pytest.approx(sum(lines) / len(lines))


def test_lift_is_the_loop_over_users(lists: Tensor, had: tuple[Tensor, Tensor]) -> None:
    shares = popularity(had[1], ITEMS + 1, USERS - 1).tolist()
    given, before = [], []
    for user, line in enumerate(lists.tolist()):
        history = [item for who, item in zip(*map(Tensor.tolist, had), strict=True) if who == user]
        if history and any(line):
            given.append(sum(shares[item] for item in line) / sum(item > 0 for item in line))
            before.append(sum(shares[item] for item in history) / len(history))
    lift = popularity_lift(lists, torch.tensor(shares), had)
    assert lift == pytest.approx(sum(given) / sum(before) - 1)


def test_to_give_back_what_was_had_lifts_nothing() -> None:
    lists = torch.tensor([[1, 2], [3, 0]])
    shares = torch.tensor([0.0, 0.5, 0.25, 0.125])
    assert popularity_lift(lists, shares, (torch.tensor([0, 0, 1]), torch.tensor([1, 2, 3]))) == 0


def test_nobody_is_nan() -> None:
    nobody, shares = torch.zeros(0, K, dtype=torch.int64), torch.full((ITEMS + 1,), 0.5)
    nothing = (nobody[:, 0], nobody[:, 0])
    assert math.isnan(novelty(nobody, shares, least=0.1))
    assert math.isnan(popularity_lift(nobody, shares, nothing))
    assert math.isnan(popularity_lift(torch.tensor([[1]]), shares, nothing))
    assert math.isnan(popularity_lift(torch.tensor([[1]]), shares * 0, (torch.tensor([0]), torch.tensor([1]))))


def test_the_unknown_item_is_nobodys() -> None:
    assert popularity(torch.tensor([0, 0, 1]), rows=2, users=4).tolist() == [0, 0.25]
