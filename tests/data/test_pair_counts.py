"""PairCounts: every count is that of a loop over the events."""

from __future__ import annotations

import pytest
import torch

from motet.data.batch import Batch
from motet.data.pair_counts import PairCounts

USERS, ITEMS = 5, 6
NOWHERE = torch.zeros(0, dtype=torch.int64)


@pytest.fixture
def events() -> list[tuple[int, int, float]]:
    """User, item and time; pairs and times repeat."""
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randint(low, high, (40,), generator=generator) for low, high in ((1, USERS), (1, ITEMS), (0, 20))]
    return [(user, item, float(time)) for user, item, time in zip(*(each.tolist() for each in drawn), strict=True)]


def counts_of(events: list[tuple[int, int, float]]) -> PairCounts:
    users, items, times = (torch.tensor([event[part] for event in events]) for part in range(3))
    batch = Batch({"user_id": users.long(), "item_id": items.long()})
    return PairCounts.of(batch, times.double(), users=USERS, items=ITEMS)


def asked() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Every user with every item, at every half of a time unit."""
    users, items, halves = torch.cartesian_prod(torch.arange(USERS), torch.arange(ITEMS), torch.arange(-1, 43)).T
    return users, items, halves.double() / 2


def test_a_pair_counts_once_from_after_its_first_event(events: list[tuple[int, int, float]]) -> None:
    counts, (users, items, before) = counts_of(events), asked()
    occurred, of_user, of_item = [], [], []
    for user, item, limit in zip(users.tolist(), items.tolist(), before.tolist(), strict=True):
        had = {(who, what) for who, what, time in events if time < limit}  # an event does not count itself
        occurred.append((user, item) in had)
        of_user.append(sum(who == user for who, _ in had))
        of_item.append(sum(what == item for _, what in had))
    assert counts.occurred(users, items, before).tolist() == occurred
    assert counts.of_users(users, before).tolist() == of_user
    assert counts.of_items(items, before).tolist() == of_item


def test_items_of_users_say_which_came_earlier(events: list[tuple[int, int, float]]) -> None:
    counts, users, before = counts_of(events), torch.tensor([3, 0, 1, 3]), torch.tensor([9.0, 9.0, 20.0, 0.0]).double()
    which, items, earlier = counts.earlier_items(users, before)
    for line, (user, limit) in enumerate(zip(users.tolist(), before.tolist(), strict=True)):
        assert items[which == line].tolist() == sorted({item for who, item, _ in events if who == user})
        had = {item for who, item, time in events if who == user and time < limit}
        assert set(items[(which == line) & earlier].tolist()) == had


def test_the_order_and_repetition_of_events_are_irrelevant(events: list[tuple[int, int, float]]) -> None:
    once, again = counts_of(events), counts_of([*reversed(events), *events])
    for ours, theirs in zip(once[1:], again[1:], strict=True):
        torch.testing.assert_close(ours, theirs)


def test_without_events_nothing_occurred() -> None:
    batch = Batch({"user_id": NOWHERE, "item_id": NOWHERE})
    counts = PairCounts.of(batch, NOWHERE.double(), users=USERS, items=ITEMS)
    users, items, before = asked()
    assert not counts.occurred(users, items, before).any()
    assert not counts.of_users(users, before).any()
    assert not counts.of_items(items, before).any()
