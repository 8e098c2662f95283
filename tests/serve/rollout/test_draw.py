"""Which model answers whom."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.serve.rollout.draw import draw

USERS = [str(number) for number in range(4_000)]


def drawn(shares: dict[int, float]) -> list[int]:
    return [draw(user, shares) for user in USERS]


def test_models_get_their_shares() -> None:
    shares = {0: 0.6, 1: 0.3, 2: 0.1, 3: 0.0}
    counts = Counter(drawn(shares))
    for slot, share in shares.items():
        spread = (share * (1 - share) / len(USERS)) ** 0.5
        assert counts[slot] / len(USERS) == pytest.approx(share, abs=4 * spread)


def test_a_share_that_grows_moves_users_to_it_alone_and_no_more_than_it_must() -> None:
    before, after = drawn({0: 0.6, 1: 0.3, 2: 0.1}), drawn({0: 0.48, 1: 0.24, 2: 0.28})
    moved = [then for now, then in zip(before, after, strict=True) if now != then]
    assert set(moved) == {2}
    assert len(moved) / len(USERS) == pytest.approx(0.18, abs=0.02)


@given(st.text(), st.permutations([0, 1, 2]))
def test_the_order_of_models_makes_no_difference(user: str, order: list[int]) -> None:
    shares = {0: 0.5, 1: 0.2, 2: 0.3}
    assert draw(user, {slot: shares[slot] for slot in order}) == draw(user, shares)


def test_the_draw_is_the_same_on_every_machine() -> None:
    assert [draw(user, {0: 0.5, 1: 0.5}) for user in ("ann", "cat", "eve", "42", "\ud800", "")] == [1, 0, 1, 1, 1, 0]
