"""Market: the tastes in a simulated shop, and the log-odds of each stage for every user and item."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Tastes = npt.NDArray[np.complex64]
Whole = npt.NDArray[np.int64]

SEGMENTS = ("bargain", "family", "gadget", "style")
CATEGORIES = ("audio", "books", "clothing", "garden", "kitchen", "shoes", "sports", "toys")
TASTES = 4  # complex dimensions: eight numbers a user and an item
SHARED = 0.4  # share of a taste's variance that its segment or category explains
STARS = 5
STAR_NOISE = 0.4  # scale of the logistic noise of a review, in stars
PILOT = 4_096  # lists on which the intercepts are calibrated


class Stage(NamedTuple):
    """The log-odds of a stage: the axis of its taste's rotation, the angle as a share of the conflict, three slopes."""

    axis: int
    turn: float
    taste: float
    quality: float
    cost: float


STAGES = {
    "clicked": Stage(1, 0.0, 1.0, 0.3, -0.1),
    "carted": Stage(1, 0.5, 0.8, 0.3, -0.3),
    "bought": Stage(1, 1.0, 1.0, 0.5, -0.6),
    "returned": Stage(2, 1.0, -0.5, -0.8, 0.2),
    "rating": Stage(3, 1.0, 0.8, 0.7, 0.0),
}


class Pairs(NamedTuple):
    """Inputs of the stages for pairs: taste match unrotated and about each axis, quality, felt cost, log position."""

    match: Floats
    quality: Floats
    cost: Floats
    depth: Floats

    def take(self, rows: Whole) -> Pairs:
        """Select pairs.

        Args:
            rows: Their positions.

        Returns:
            The pairs.
        """
        return Pairs(self.match[rows], self.quality[rows], self.cost[rows], self.depth[rows])


class Shown(NamedTuple):
    """Shown lists, one row per item: user and item from 0, position from 1, time as a share of the days."""

    users: Whole
    items: Whole
    position: Whole
    moment: npt.NDArray[np.float64]

    def head(self, rows: int) -> Shown:
        """The first rows.

        Args:
            rows: Number of rows.

        Returns:
            These rows.
        """
        return Shown(self.users[:rows], self.items[:rows], self.position[:rows], self.moment[:rows])


@dataclass(frozen=True, eq=False)
class Market:
    r"""Users, items, and the log-odds of each stage for a pair of them.

    $$ \mathrm{logit}\, p_s = b_s + t_s \, (\cos(\pi c \tau_s) \, u \cdot v + \sin(\pi c \tau_s) \, u \cdot R_s v)
    + q_s \, quality + c_s \, thrift \cdot cost $$

    Tastes are vectors of quaternions, and $R_s$ is the product with one of the three units, so that an angle rotates
    the taste of a stage away from that of clicks: 90 degrees make them independent, 180 degrees opposite. Purchases
    (and carts), returns and ratings each have their own unit, so at 90 degrees they are independent of one another too.
    Clicks lose `position_bias` times the log of the position.

    Attributes:
        user_taste: [users, 4]; two complex numbers, one after the other, are a quaternion.
        item_taste: [items, 4].
        thrift: Price sensitivity of each user.
        activity: Cumulative weights of users' visits, [users].
        segment: Each user's index in `SEGMENTS`.
        quality: Quality of each item, standard normal.
        cost: Standardised logarithm of each item's price.
        category: Each item's index in `CATEGORIES`.
        arrival: Arrival time of each item as a share of the days, ascending.
        demand: Cumulative weights of items' impressions, [items].
        conflict: Rotation of the tastes of purchases, returns and ratings, as a share of 180 degrees.
        position_bias: Slope of the log-odds of a click in the log of the position.
        intercepts: Intercept of each stage.
    """

    user_taste: Tastes
    item_taste: Tastes
    thrift: Floats
    activity: npt.NDArray[np.float64]
    segment: Whole
    quality: Floats
    cost: Floats
    category: Whole
    arrival: npt.NDArray[np.float64]
    demand: npt.NDArray[np.float64]
    conflict: float
    position_bias: float
    intercepts: Mapping[str, float] = field(default_factory=lambda: {"rating": 3.5})

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        users: int,
        items: int,
        *,
        conflict: float,
        popularity: float,
        position_bias: float,
        new_items: float,
    ) -> Market:
        """Draw users and items.

        Args:
            rng: Random generator.
            users: Number of users.
            items: Number of items.
            conflict: See `Market`.
            popularity: Exponent of Zipf's law for how often items are shown.
            position_bias: See `Market`.
            new_items: Share of the items that arrive during the days.

        Returns:
            A market without intercepts; see `calibrated`.
        """
        segment, category = rng.integers(len(SEGMENTS), size=users), rng.integers(len(CATEGORIES), size=items)
        old = max(1, round((1 - new_items) * items))
        quality = rng.standard_normal(items, dtype=np.float32)
        return cls(
            user_taste=_tastes(rng, segment, len(SEGMENTS)),
            item_taste=_tastes(rng, category, len(CATEGORIES)) / np.float32(np.sqrt(2 * TASTES)),
            thrift=np.exp(0.4 * rng.standard_normal(users, dtype=np.float32)),
            activity=np.cumsum(rng.permutation(np.arange(1.0, users + 1) ** -0.5)),
            segment=segment,
            quality=quality,
            # Better items cost a little more.
            cost=np.float32(0.3) * quality + np.float32(0.95) * rng.standard_normal(items, dtype=np.float32),
            category=category,
            arrival=np.sort(np.concatenate([np.zeros(old), rng.random(items - old)])),
            demand=np.cumsum(rng.permutation(np.arange(1.0, items + 1) ** -popularity)),
            conflict=conflict,
            position_bias=position_bias,
        )

    def show(self, rng: np.random.Generator, moments: npt.NDArray[np.float64], positions: int) -> Shown:
        """Draw lists: a user by activity, items by demand among those that have arrived.

        Args:
            rng: Random generator.
            moments: Time of each list as a share of the days.
            positions: Items per list.

        Returns:
            One row per item of a list.
        """
        users = np.searchsorted(self.activity, rng.random(len(moments)) * self.activity[-1], side="right")
        last = np.searchsorted(self.arrival, moments, side="right")[:, None] - 1
        # Each position draws from its own band of demand, so that a list hardly ever shows an item twice; bands rotate
        # from list to list, so that no item favours a position.
        band = (rng.integers(positions, size=len(moments))[:, None] + np.arange(positions)) % positions
        drawn = (band + rng.random(band.shape)) / positions * self.demand[last]
        items = np.minimum(np.searchsorted(self.demand, drawn, side="right"), last)  # a product may be rounded up
        places = np.tile(np.arange(1, positions + 1), len(moments))
        users = np.minimum(users, len(self.activity) - 1)
        return Shown(np.repeat(users, positions), items.ravel(), places, np.repeat(moments, positions))

    def pairs(self, users: Whole, items: Whole, position: Whole) -> Pairs:
        """Compute the inputs of the stages for pairs.

        Args:
            users: User indices, from 0.
            items: Item indices, from 0.
            position: Position in the list, from 1.

        Returns:
            The inputs.
        """
        taste, turned = self.user_taste[users].conj(), self.item_taste[items]
        one = np.einsum("nk,nk->n", taste, turned)
        other = np.einsum("nk,nk->n", taste, _second_unit(turned))
        match = np.stack([one.real, one.imag, other.real, other.imag], 1)
        cost = self.thrift[users] * self.cost[items]
        return Pairs(match, self.quality[items], cost, np.log(position.astype(np.float32)))

    def logits(self, name: str, pairs: Pairs) -> Floats:
        """Log-odds of a stage, given the one before; for `rating`, the mean stars before noise and rounding.

        Args:
            name: One of `STAGES`.
            pairs: The inputs.

        Returns:
            One number per pair.
        """
        stage = STAGES[name]
        angle = np.pi * self.conflict * stage.turn
        logits = stage.taste * (np.cos(angle) * pairs.match[:, 0] + np.sin(angle) * pairs.match[:, stage.axis])
        logits += stage.quality * pairs.quality + stage.cost * pairs.cost
        if name == "clicked":
            logits -= self.position_bias * pairs.depth
        total: Floats = (logits + self.intercepts.get(name, 0.0)).astype(np.float32)
        return total

    def chances(self, name: str, pairs: Pairs) -> Floats:
        """The probability of a stage, given the one before.

        Args:
            name: One of `STAGES` except `rating`.
            pairs: The inputs.

        Returns:
            One probability per pair.
        """
        return sigmoid(self.logits(name, pairs))

    def calibrated(self, rng: np.random.Generator, rates: Mapping[str, float], positions: int) -> Market:
        """Calibrate the intercepts so that the stages have the given rates.

        Args:
            rng: Random generator for the trial lists.
            rates: By stage, in order: its rate given the one before.
            positions: Items per list.

        Returns:
            The market.
        """
        shown = self.show(rng, (np.arange(PILOT) + 0.5) / PILOT, positions)
        pairs = self.pairs(shown.users, shown.items, shown.position)
        reached = np.ones(len(pairs.match))
        intercepts = dict(self.intercepts)
        for name, rate in rates.items():
            logits = self.logits(name, pairs).astype(np.float64)
            intercepts[name] = _intercept(logits, reached, rate)
            reached *= sigmoid(logits + intercepts[name])
        return replace(self, intercepts=intercepts)


def sigmoid(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The probabilities of log-odds.

    Args:
        logits: Log-odds, any shape.

    Returns:
        Probabilities, the same shape.
    """
    chances: npt.NDArray[Any] = 1 / (1 + np.exp(-logits))
    return chances


def _tastes(rng: np.random.Generator, groups: Whole, count: int) -> Tastes:
    """Draw vectors around the centres of their groups."""

    def normal(rows: int) -> Tastes:
        return rng.standard_normal((rows, 2 * TASTES), dtype=np.float32).view(np.complex64)

    centres, own = normal(count), normal(len(groups))
    return np.float32(np.sqrt(SHARED)) * centres[groups] + np.float32(np.sqrt(1 - SHARED)) * own


def _second_unit(tastes: Tastes) -> Tastes:
    """Multiply quaternions a + bj, stored as pairs of complex numbers, by j."""
    turned = np.empty_like(tastes)
    np.negative(tastes[:, 1::2].conj(), out=turned[:, ::2])
    np.conjugate(tastes[:, ::2], out=turned[:, 1::2])
    return turned


def _intercept(logits: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], rate: float) -> float:
    """The intercept at which the weighted mean probability is the rate: Newton on the log-odds of the mean."""
    target = math.log(rate / (1 - rate))
    intercept = target - float(np.average(logits, weights=weights))
    for _ in range(20):
        chances = sigmoid(logits + intercept)
        mean = np.average(chances, weights=weights)
        slope = np.average(chances * (1 - chances), weights=weights) / (mean * (1 - mean))
        step = (target - np.log(mean / (1 - mean))) / slope
        intercept += float(np.clip(step, -2, 2))
        if abs(step) < 1e-4:
            break
    return intercept
