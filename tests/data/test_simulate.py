from __future__ import annotations

from typing import Any

import pytest

import motet
from motet.data.simulate import shop
from motet.errors import ConfigError


def test_the_same_seed_gives_the_same_shop() -> None:
    one, same, other = (shop(50, 30, impressions=3_000, seed=seed) for seed in (5, 5, 6))
    assert one.rows().equals(same.rows())
    assert one.users.equals(same.users)
    assert one.items.equals(same.items)
    assert one.events().frame().equals(same.events().frame())
    assert not one.rows().equals(other.rows())
    assert not one.items.equals(other.items)


def test_outcomes_of_less_popular_stages_do_not_change_who_is_shown_what() -> None:
    rare, often = (shop(50, 30, seed=1, purchase_rate=rate) for rate in (0.001, 0.05))
    assert rare.rows()["item_id", "clicked"].equals(often.rows()["item_id", "clicked"])


def test_it_is_public() -> None:
    assert motet.simulate.shop is shop


def test_defaults() -> None:
    drawn = shop(3, 2)
    assert len(drawn) == 300
    assert set(drawn.rows()["user_id"]) == {1, 2, 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"users": 0}, "users=0; it must be 1 or more"),
        ({"items": 0}, "items=0; it must be 1 or more"),
        ({"impressions": 0}, "impressions=0; it must be 1 or more"),
        ({"positions": 0}, "positions=0; it must be 1 or more"),
        ({"seed": -1}, "seed=-1; it must be 0 or more"),
        ({"days": 0}, "days=0; it must be above 0"),
        ({"conflict": 1.5}, "conflict=1.5; it must be between 0 and 1"),
        ({"review_rate": -0.1}, "review_rate=-0.1; it must be between 0 and 1"),
        ({"new_items": 2}, "new_items=2; it must be between 0 and 1"),
        ({"popularity": -1}, "popularity=-1; it must be 0 or more"),
        ({"position_bias": float("nan")}, "position_bias=nan; it must be 0 or more"),
        ({"click_rate": 0}, "click_rate=0; it must be above 0 and below 1"),
        ({"return_rate": 1}, "return_rate=1; it must be above 0 and below 1"),
        ({"purchase_rate": 0.2}, "purchase_rate=0.2; it must be above 0 and below click_rate=0.1"),
        ({"cart_rate": 0.005}, "cart_rate=0.005; it must be above purchase_rate=0.01 and below click_rate=0.1"),
    ],
)
def test_numbers_out_of_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        shop(**{"users": 10, "items": 5, **arguments})
