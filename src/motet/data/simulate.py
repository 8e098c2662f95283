"""A simulated shop: impressions, clicks, carts, purchases, returns and ratings, with their true probabilities."""

from __future__ import annotations

import math

import numpy as np

from motet.arguments import checked
from motet.data.market import Market
from motet.data.shop import MARKET, TRIAL, Shop
from motet.errors import ConfigError

__all__ = ["Shop", "shop"]


@checked
def shop(
    users: int,
    items: int,
    days: float = 30,
    *,
    seed: int = 0,
    impressions: int | None = None,
    conflict: float = 0.0,
    click_rate: float = 0.1,
    cart_rate: float | None = None,
    purchase_rate: float = 0.01,
    return_rate: float = 0.1,
    review_rate: float = 0.3,
    popularity: float = 0.8,
    position_bias: float = 0.5,
    positions: int = 10,
    new_items: float = 0.3,
) -> Shop:
    """Simulate a shop: users and items are drawn at once, events on demand and reproducibly.

    Users visit according to their activity and are shown a list of items, drawn by popularity among those that have
    arrived. What they do depends on how well an item matches their taste, its quality and its price; clicks also depend
    on the position in the list.

    Args:
        users: Number of users.
        items: Number of items.
        days: How long the shop is open.
        seed: The same seed and arguments give the same rows.
        impressions: Number of items shown, which is the number of rows of the wide log; by default 100 per user.
        conflict: How far the tastes behind purchases, returns and ratings differ from the taste behind clicks: 0 for
            the same taste, .5 for tastes independent of it and of each other, 1 for the opposite. Carts are half-way
            between clicks and purchases.
        click_rate: Share of the impressions that are clicked.
        cart_rate: Share of the impressions that lead to a cart; by default the geometric mean of `click_rate` and
            `purchase_rate`.
        purchase_rate: Share of the impressions that lead to a purchase.
        return_rate: Share of the purchases that are returned.
        review_rate: Share of the purchases that are rated, independent of the rating.
        popularity: Exponent of Zipf's law for how often items are shown; 0 for uniform.
        position_bias: The odds of a click are proportional to `position ** -position_bias`; 0 for no bias.
        positions: Items per list.
        new_items: Share of the items that arrive while the shop is open.

    Returns:
        The shop.

    Raises:
        ConfigError: If an argument is out of range, or a stage is not rarer than the one before it.

    Source:
        Ma et al., "Entire Space Multi-Task Model", SIGIR 2018, for the chain of stages; Craswell et al., "An
        Experimental Comparison of Click Position-Bias Models", WSDM 2008, for the bias.

    Example:
        >>> small = shop(100, 50, impressions=10_000, seed=1)
        >>> small.log
        EventLog(10,000 events, 100 users, 50 items; signals: clicked, carted, bought, returned, rating)
        >>> bool((small.truth["bought"] < small.truth["clicked"]).all())
        True
    """
    impressions = 100 * users if impressions is None else impressions
    for name, count in {"users": users, "items": items, "impressions": impressions, "positions": positions}.items():
        _check(name, count, count >= 1, "1 or more")
    _check("seed", seed, seed >= 0, "0 or more")
    _check("days", days, 0 < days < math.inf, "above 0")
    for name, share in {"conflict": conflict, "review_rate": review_rate, "new_items": new_items}.items():
        _check(name, share, 0 <= share <= 1, "between 0 and 1")
    for name, slope in {"popularity": popularity, "position_bias": position_bias}.items():
        _check(name, slope, 0 <= slope < math.inf, "0 or more")
    rates = _rates(click_rate, cart_rate, purchase_rate, return_rate)
    market = Market.draw(
        np.random.default_rng([seed, MARKET]),
        users,
        items,
        conflict=conflict,
        popularity=popularity,
        position_bias=position_bias,
        new_items=new_items,
    )
    market = market.calibrated(np.random.default_rng([seed, TRIAL]), rates, positions)
    return Shop(market, impressions, days, seed, positions, review_rate)


def _rates(click: float, cart: float | None, purchase: float, returned: float) -> dict[str, float]:
    """The rate of each stage, given the one before."""
    _check("return_rate", returned, 0 < returned < 1, "above 0 and below 1")
    _check("click_rate", click, 0 < click < 1, "above 0 and below 1")
    _check("purchase_rate", purchase, 0 < purchase < click, f"above 0 and below click_rate={click}")
    cart = math.sqrt(click * purchase) if cart is None else cart
    _check("cart_rate", cart, purchase < cart < click, f"above purchase_rate={purchase} and below click_rate={click}")
    return {"clicked": click, "carted": cart / click, "bought": purchase / cart, "returned": returned}


def _check(name: str, value: float, holds: bool, rule: str) -> None:
    if not holds:
        raise ConfigError(f"{name}={value}; it must be {rule}")
