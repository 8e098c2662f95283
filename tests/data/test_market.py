from __future__ import annotations

import numpy as np
import pytest

from motet.data.market import Market, sigmoid


def market(conflict: float = 0.0, popularity: float = 0.8, new_items: float = 0.3, items: int = 500) -> Market:
    rng = np.random.default_rng(0)
    return Market.draw(
        rng, 2_000, items, conflict=conflict, popularity=popularity, position_bias=0.5, new_items=new_items
    )


def taste(market: Market, stage: str) -> np.ndarray:
    """The part of the log-odds that comes of taste: what is left of pairs of equal quality, cost and place."""
    rng = np.random.default_rng(1)
    pairs = market.pairs(rng.integers(2_000, size=20_000), rng.integers(500, size=20_000), np.ones(20_000, np.int64))
    return market.logits(stage, pairs._replace(quality=pairs.quality * 0, cost=pairs.cost * 0))


@pytest.mark.parametrize(("conflict", "purchases", "carts"), [(0.0, 1.0, 1.0), (0.5, 0.0, 0.71), (1.0, -1.0, 0.0)])
def test_conflict_turns_tastes_away_from_clicks(conflict: float, purchases: float, carts: float) -> None:
    drawn = market(conflict)
    clicks = taste(drawn, "clicked")
    assert clicks.std() == pytest.approx(1, abs=0.1)  # whatever the angle, tastes are as strong
    assert taste(drawn, "bought").std() == pytest.approx(1, abs=0.1)
    assert np.corrcoef(clicks, taste(drawn, "bought"))[0, 1] == pytest.approx(purchases, abs=0.1)
    assert np.corrcoef(clicks, taste(drawn, "rating"))[0, 1] == pytest.approx(purchases, abs=0.1)
    assert np.corrcoef(clicks, taste(drawn, "carted"))[0, 1] == pytest.approx(carts, abs=0.1)


@pytest.mark.parametrize("conflict", [0.0, 0.5, 1.0])
def test_half_way_every_stage_has_a_taste_of_its_own(conflict: float) -> None:
    drawn = market(conflict)
    tastes = np.corrcoef([taste(drawn, stage) for stage in ("clicked", "bought", "returned", "rating")])
    signs = np.sign(np.array([1, 1, -1, 1]) if conflict == 0 else np.array([1, -1, 1, -1]))
    expected = np.eye(4) if conflict == 0.5 else np.outer(signs, signs)
    assert tastes == pytest.approx(expected, abs=0.1)


def test_items_are_shown_by_zipf_and_only_once_they_have_arrived() -> None:
    drawn = market(popularity=1.0)
    shown = drawn.show(np.random.default_rng(2), np.linspace(0, 1, 20_000, endpoint=False), 5)
    assert (drawn.arrival[shown.items] <= shown.moment).all()
    assert drawn.arrival[0] == 0
    assert (drawn.arrival > 0).sum() == 150
    late = shown.moment > drawn.arrival[-1]
    counts = np.bincount(shown.items, minlength=500) / len(shown.items)
    old = drawn.arrival == 0
    weights = np.diff(drawn.demand, prepend=0)
    assert late.any()
    assert np.corrcoef(counts[old], weights[old])[0, 1] > 0.99
    assert np.sort(weights)[::-1] == pytest.approx(1 / np.arange(1, 501))


def test_lists_hardly_ever_repeat_an_item_and_no_item_prefers_a_place() -> None:
    drawn = market(popularity=0.5, new_items=0.0)
    shown = drawn.show(np.random.default_rng(2), np.full(20_000, 0.5), 5)
    ordered = np.sort(shown.items.reshape(-1, 5), axis=1)
    assert (ordered[:, 1:] == ordered[:, :-1]).mean() < 0.01
    top = np.bincount(shown.items).argmax()
    places = np.bincount(shown.position[shown.items == top], minlength=6)[1:]
    assert places.std() < 0.2 * places.mean()
    assert (shown.users.reshape(-1, 5) == shown.users[::5, None]).all()


def test_one_user_and_one_item() -> None:
    drawn = Market.draw(np.random.default_rng(0), 1, 1, conflict=0.0, popularity=1.0, position_bias=0.0, new_items=1.0)
    shown = drawn.show(np.random.default_rng(0), np.zeros(3), 2)
    assert set(shown.users) == set(shown.items) == {0}


def test_intercepts_give_the_rates_asked_for() -> None:
    rates = {"clicked": 0.2, "carted": 0.3, "bought": 0.02, "returned": 0.5}
    calibrated = market().calibrated(np.random.default_rng(3), rates, 5)
    shown = calibrated.show(np.random.default_rng(4), np.linspace(0, 1, 40_000, endpoint=False), 5)
    pairs = calibrated.pairs(shown.users, shown.items, shown.position)
    reached = np.ones(len(shown.users))
    for name, rate in rates.items():
        chances = calibrated.chances(name, pairs)
        assert np.average(chances, weights=reached) == pytest.approx(rate, rel=0.1), name
        reached *= chances


def test_a_place_further_down_costs_clicks_alone() -> None:
    drawn = market()
    at = np.zeros(2, np.int64)
    pairs = drawn.pairs(at, at, np.array([1, 8]))
    clicks = drawn.logits("clicked", pairs)
    assert clicks[0] - clicks[1] == pytest.approx(0.5 * np.log(8), rel=1e-5)
    for stage in ("carted", "bought", "returned", "rating"):
        logits = drawn.logits(stage, pairs)
        assert logits[0] == logits[1]


def test_sigmoid_undoes_log_odds() -> None:
    chances = np.array([0.01, 0.5, 0.9])
    assert sigmoid(np.log(chances / (1 - chances))) == pytest.approx(chances)
