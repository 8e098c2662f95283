"""History: who had what."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.data.batch import Batch
from motet.data.history import History

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=40)


@given(PAIRS, st.lists(st.integers(0, 6), max_size=10))
def test_lookup_equals_a_dictionary_of_sets(pairs: list[tuple[int, int]], asked: list[int]) -> None:
    users, items = (torch.tensor(column) for column in zip(*pairs, strict=True))
    history = History.of(Batch({"user_id": users, "item_id": items}), users=7, items=10)
    positions, found = history.of_users(torch.tensor(asked, dtype=torch.int64))
    had = {user: sorted({item for other, item in pairs if 0 < other == user}) for user in range(7)}
    assert positions.tolist() == [place for place, user in enumerate(asked) for _ in had[user]]
    assert found.tolist() == [item for user in asked for item in had[user]]
    assert [line.tolist() for line in history.lines(torch.tensor(asked, dtype=torch.int64))] == [
        had[user] for user in asked
    ]
    assert [line.tolist() for line in history.lines()] == list(had.values())


@given(PAIRS, st.lists(st.integers(0, 6), max_size=10), st.lists(st.integers(0, 9), max_size=3))
def test_what_is_added_is_one_with_what_was_there(
    pairs: list[tuple[int, int]], asked: list[int], added: list[int]
) -> None:
    users, items = (torch.tensor(column) for column in zip(*pairs, strict=True))
    history = History.of(Batch({"user_id": users, "item_id": items}), users=7, items=10)
    who = torch.tensor([place for place in range(len(asked)) for _ in added], dtype=torch.int64)
    more = torch.tensor(added * len(asked), dtype=torch.int64)
    found = history.with_added(torch.tensor(asked, dtype=torch.int64), who, more, items=10)
    for user, line in zip(asked, found.lines(), strict=True):
        had = {item for other, item in pairs if user == other > 0 < item}
        assert line.tolist() == sorted(had.union(added))
