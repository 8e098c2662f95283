"""Item kNN and bought together, which differ in how like two items are."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from motet.baselines import BoughtTogether, ItemKNN
from motet.baselines.bought_together import Measure
from motet.baselines.neighbours import Neighbours
from motet.data.log import EventLog
from motet.errors import ConfigError


def users_of(log: EventLog) -> list[set[int]]:
    """The user rows of every item row."""
    pairs = list(zip(log.batch().users.tolist(), log.batch().items.tolist(), strict=True))
    return [{user for user, item in pairs if item == row} for row in range(len(log.items))]


def votes(log: EventLog, likeness: dict[tuple[int, int], float], user: int, item: int, k: int) -> float:
    """The sum over the item's k nearest that the user had."""
    own = {row for row, users in enumerate(users_of(log)) if user in users}
    nearest = sorted((-like, other) for (one, other), like in likeness.items() if one == item and like > 0)[:k]
    return sum(-like for like, other in nearest if other in own)


def check(baseline: Neighbours, log: EventLog, likeness: dict[tuple[int, int], float]) -> None:
    for user, item in ((3, 5), (3, 15), (44, 12), (60, 21), (9, 22)):
        found = baseline.scores(torch.tensor([user]), torch.tensor([item]))
        assert float(found) == pytest.approx(votes(log, likeness, user, item, baseline.neighbours), abs=1e-5)


def test_item_knn_is_a_shrunk_cosine(tastes: EventLog) -> None:
    had = users_of(tastes)
    likeness = {
        (i, j): len(had[i] & had[j]) / (math.sqrt(len(had[i]) * len(had[j])) + 2)
        for i in range(1, 23)
        for j in range(1, 23)
        if i != j
    }
    check(ItemKNN(tastes, neighbours=3, shrink=2), tastes, likeness)


@pytest.mark.parametrize("measure", get_args(Measure))
def test_bought_together_counts_users(measure: Measure, tastes: EventLog) -> None:
    had, users = users_of(tastes), 60
    likeness = {}
    for i in range(1, 23):
        for j in set(range(1, 23)) - {i}:
            together, chance = len(had[i] & had[j]), max(1, len(had[i]) * len(had[j]))
            by_measure = {"count": together, "cosine": together / chance**0.5, "lift": together * users / chance}
            likeness[i, j] = by_measure[measure] if together >= 12 else 0.0
    check(BoughtTogether(tastes, measure=measure, at_least=12, neighbours=4), tastes, likeness)


def test_more_neighbours_than_items_are_all(tastes: EventLog) -> None:
    users, items = torch.arange(61)[:, None], torch.arange(23)
    every, many = (ItemKNN(tastes, neighbours=k).scores(users, items) for k in (22, 1000))
    assert torch.equal(every, many)


@pytest.mark.parametrize("kind", [ItemKNN, BoughtTogether])
def test_no_neighbours_are_refused(kind: type[ItemKNN] | type[BoughtTogether], tastes: EventLog) -> None:
    with pytest.raises(ConfigError, match="neighbours=0; it must be at least 1"):
        kind(tastes, neighbours=0)


def test_negative_shrinkage_is_refused(tastes: EventLog) -> None:
    with pytest.raises(ConfigError, match=r"shrink=-1.0; it must be 0 or above"):
        ItemKNN(tastes, shrink=-1.0)


def test_unknown_measure_is_refused(tastes: EventLog, unchecked_types: None) -> None:  # noqa: ARG001
    with pytest.raises(ConfigError, match="measure='cosin' is not one of 'count', 'cosine', 'lift'; did you mean 'co"):
        BoughtTogether(tastes, measure="cosin")  # type: ignore[arg-type]
