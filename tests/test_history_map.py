"""HistoryMap: the shift of a user's vector is what its formula says, and depends on nothing but the items."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from motet.data.history import History
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.data.visitors import Visitors
from motet.history_map import RIDGE, SHRINKAGE, HistoryMap
from untrained import untrained

USERS, ITEMS = 9, 7


@pytest.fixture(scope="module")
def log() -> EventLog:
    generator = torch.Generator().manual_seed(1)
    users, items = (torch.randint(size, (30,), generator=generator).tolist() for size in (USERS, ITEMS))
    users, items = [*range(USERS), *users], [*range(ITEMS), 0, 1, *items]
    return EventLog.read(
        pl.DataFrame({"user_id": users, "item_id": items, "stars": [1.0, 2.0, 3.0] * 13}), Schema(signals=("stars",))
    )


@pytest.fixture(scope="module")
def histories(log: EventLog) -> History:
    return History.of(log.batch(), len(log.users), len(log.items))


@pytest.fixture(scope="module")
def moved(log: EventLog, histories: History) -> HistoryMap:
    return HistoryMap(untrained(log).scorer, histories)


def visitors(*lines: tuple[int, list[int]]) -> Visitors:
    """A user row and the added items of each."""
    who = [line for line, (_, items) in enumerate(lines) for _ in items]
    rows, added = [row for row, _ in lines], [item for _, items in lines for item in items]
    return Visitors(torch.tensor(rows), who=torch.tensor(who).long(), items=torch.tensor(added).long())


def test_the_shift_is_the_formula(moved: HistoryMap, histories: History) -> None:
    vectors, rows = moved.scorer.items.detach(), range(1, USERS + 1)
    had = {row: histories.items[histories.starts[row] : histories.starts[row + 1]].tolist() for row in (0, *rows)}
    typical = torch.stack([vectors[had[row]].mean(0) for row in rows]).mean(0)

    def profile(items: set[int]) -> torch.Tensor:
        return sum(((vectors[item] - typical) for item in items), torch.zeros(4)) / (len(items) + SHRINKAGE)

    profiles = torch.stack([profile(set(had[row])) for row in rows])
    users = moved.scorer.users(torch.tensor(rows)).detach()
    covariance = profiles.T @ profiles
    ridge = RIDGE * covariance.diagonal().mean() * torch.eye(4)
    weights = torch.linalg.solve(covariance + ridge, profiles.T @ (users - users.mean(0)))
    asked = [(0, [1, 2]), (3, [4, 5, 6]), (5, []), (2, [7, 7])]
    wanted = [(profile({*had[row], *items}) - profile(set(had[row]))) @ weights for row, items in asked]
    torch.testing.assert_close(moved.shift(visitors(*asked)), torch.stack(wanted), atol=1e-5, rtol=1e-4)


def test_items_that_add_nothing_move_nothing(moved: HistoryMap, histories: History) -> None:
    own = histories.items[histories.starts[4] : histories.starts[5]].tolist()
    assert own
    assert not moved.shift(visitors((4, []), (4, own), (0, []))).any()


def test_neither_order_nor_company_counts(moved: HistoryMap) -> None:
    one = moved.shift(visitors((0, [2, 5, 6])))
    many = moved.shift(visitors((3, [1]), (0, [6, 2, 5, 2]), (0, [])))
    torch.testing.assert_close(one[0], many[1])
