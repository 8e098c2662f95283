"""Shop: simulated impressions, what users did with them, and the true probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.data.ids import Ids
from motet.data.log import EventLog
from motet.data.market import CATEGORIES, SEGMENTS, STAR_NOISE, STARS, Floats, Market, Pairs, Shown, Whole, sigmoid
from motet.data.schema import Categorical, Numeric, Schema
from motet.errors import ConfigError, DataError, did_you_mean

START = 1_704_067_200  # opening time: 2024-01-01, in seconds since 1970
DAY_S = 86_400
LISTS = 8_192  # lists per chunk; each chunk has its own random stream, so blocks of any size hold the same rows
CHAIN = ("clicked", "carted", "bought", "returned")
TRUTHS = (*CHAIN, "rating", "carted_if_clicked", "bought_if_carted", "returned_if_bought")
# The events of a long log: the signal of each, the event that it follows, and the mean delay in seconds.
EVENTS = {
    "click": ("clicked", "impression", 10),
    "cart": ("carted", "click", 120),
    "purchase": ("bought", "cart", 3_600),
    "return": ("returned", "purchase", 6 * DAY_S),
    "review": ("rating", "purchase", 8 * DAY_S),
}
MARKET, TRIAL, ROWS, DELAYS = range(4)  # random streams


@dataclass(frozen=True, eq=False, repr=False)
class Shop:
    """A simulated shop; `simulate.shop` makes one.

    Ids of users and items are whole numbers from 1; items are numbered in order of arrival.

    Attributes:
        market: Tastes, qualities and prices, which determine the probabilities.
        impressions: Number of rows of the wide log.
        days: How long the shop is open.
        seed: Seed of all random numbers.
        positions: Items per list.
        review_rate: Share of the purchases that are rated.
        schema: Schema of the wide log.
    """

    market: Market
    impressions: int
    days: float
    seed: int
    positions: int
    review_rate: float
    schema: Schema = field(
        default=Schema(
            time="time",
            signals=(*CHAIN, "rating"),
            user_features={"segment": Categorical()},
            item_features={"category": Categorical(), "price": Numeric()},
            context_features={"position": Numeric()},
        )
    )

    def __len__(self) -> int:
        return self.impressions

    def __repr__(self) -> str:
        users, items = len(self.market.user_taste), len(self.market.item_taste)
        return f"Shop({len(self):,} impressions, {users:,} users, {items:,} items, {self.days:g} days)"

    @cached_property
    def log(self) -> EventLog:
        """The wide log, ordered by time: one row per impression, one column per signal.

        `clicked`, `carted`, `bought` and `returned` are 0 or 1; `rating` is 1 to 5 stars, null unless the item was
        bought and rated.
        """
        return EventLog.read(self.rows(), self.schema, users=self.users, items=self.items)

    @cached_property
    def truth(self) -> pl.DataFrame:
        """The true probabilities for the rows of `log`; see `truths`."""
        return self.truths()

    @cached_property
    def users(self) -> pl.DataFrame:
        """The table of users: user_id, segment."""
        segment = pl.Series(SEGMENTS).gather(self.market.segment)
        return pl.DataFrame({"user_id": np.arange(1, len(segment) + 1), "segment": segment})

    @cached_property
    def items(self) -> pl.DataFrame:
        """The table of items: item_id, category, price, arrived (seconds since 1970)."""
        category = pl.Series(CATEGORIES).gather(self.market.category)
        price = np.exp(3 + 0.6 * self.market.cost.astype(np.float64)).round(2)
        arrived = self._times(self.market.arrival)
        ids = np.arange(1, len(category) + 1)
        return pl.DataFrame({"item_id": ids, "category": category, "price": price, "arrived": arrived})

    def rows(self, start: int = 0, stop: int | None = None) -> pl.DataFrame:
        """Draw some rows of the wide log, so that a large shop can be read block by block.

        Args:
            start: The first row.
            stop: The row after the last; by default the end.

        Returns:
            user_id, item_id, time (seconds since 1970), position, and the signals.
        """
        return self._blocks(start, stop, self._rows)

    def truths(self, start: int = 0, stop: int | None = None) -> pl.DataFrame:
        """Compute the true probabilities of some rows.

        Args:
            start: The first row.
            stop: The row after the last; by default the end.

        Returns:
            `clicked`, `carted`, `bought`, `returned`: the probability that the impression reaches the stage;
            `carted_if_clicked`, `bought_if_carted`, `returned_if_bought`: given the stage before; `rating`: the
            expected stars if it is bought and rated.
        """
        return self._blocks(start, stop, lambda number: pl.DataFrame(self._truths(self._shown(number)[2])))

    def probability(
        self,
        stage: str,
        users: Ids | Int[Tensor, " pairs"],
        items: Ids | Int[Tensor, " pairs"],
        *,
        position: int = 1,
    ) -> Float[Tensor, " pairs"]:
        """The true probability of any pairs, shown or not.

        Args:
            stage: A column of `truth`.
            users: Ids, which equal the rows of `log.users`.
            items: Ids, one per user.
            position: Position in the list, from 1.

        Returns:
            One probability per pair; for `"rating"`, the expected stars.

        Raises:
            ConfigError: If there is no such stage, or `position` is below 1.
            DataError: If an id is not in the shop, or the numbers of users and items differ.
        """
        if stage not in TRUTHS:
            raise ConfigError(f"there is no stage {stage!r}{did_you_mean(stage, TRUTHS)} Stages: {', '.join(TRUTHS)}.")
        if position < 1:
            raise ConfigError(f"position={position}; positions in a list count from 1")
        user, item = _places("user", users, len(self.users)), _places("item", items, len(self.items))
        if len(user) != len(item):
            raise DataError(f"{len(user):,} users and {len(item):,} items do not pair up; give one item per user")
        pairs = self.market.pairs(user, item, np.full(len(user), position))
        return torch.from_numpy(self._truths(pairs)[stage])

    def events(self, *, impressions: bool = False) -> EventLog:
        """The same shop as a long log, ordered by time: one row per event.

        Args:
            impressions: Whether to include impressions as events.

        Returns:
            user_id, item_id, `event` (click, cart, purchase, return, review; impression), `value` (the stars of a
            review, null for other events), time.
        """
        chunks = range(-(-self.impressions // (LISTS * self.positions)))
        frame = pl.concat([self._events(number, impressions) for number in chunks]).sort("time", maintain_order=True)
        schema = Schema(
            time="time",
            event="event",
            signals=("value",),
            user_features=self.schema.user_features,
            item_features=self.schema.item_features,
        )
        return EventLog.read(frame, schema, users=self.users, items=self.items)

    def write_parquet(self, folder: str | Path, *, rows: int = 1_000_000, truth: bool = False) -> Path:
        """Write the wide log and its tables block by block, in bounded memory.

        Args:
            folder: Receives `users.parquet`, `items.parquet`, the folder `log`, and optionally the folder `truth`.
            rows: Rows per file.
            truth: Whether to write the true probabilities, in files with the same rows as those of the log.

        Returns:
            The folder.

        Raises:
            ConfigError: If `rows` is below 1.
            DataError: If the folder already holds a log or true probabilities.

        Example:
            >>> import tempfile
            >>> from motet.data.simulate import shop
            >>> small = shop(100, 50, seed=1)
            >>> with tempfile.TemporaryDirectory() as place:
            ...     folder = small.write_parquet(place, rows=4_000)
            ...     tables = {"users": folder / "users.parquet", "items": folder / "items.parquet"}
            ...     EventLog.read(folder / "log", small.schema, **tables)
            EventLog(10,000 events, 100 users, 50 items; signals: clicked, carted, bought, returned, rating)
        """
        if rows < 1:
            raise ConfigError(f"rows={rows}; a file holds at least one row")
        folder = Path(folder)
        parts = {"log": self.rows, **({"truth": self.truths} if truth else {})}
        for part in parts:
            if (folder / part).exists():
                raise DataError(f"{folder / part} exists already; remove it, or write to another folder")
        for part in parts:
            (folder / part).mkdir(parents=True)
        self.users.write_parquet(folder / "users.parquet")
        self.items.write_parquet(folder / "items.parquet")
        for number, start in enumerate(range(0, self.impressions, rows)):
            for part, read in parts.items():
                read(start, start + rows).write_parquet(folder / part / f"part-{number:05}.parquet")
        return folder

    def _blocks(self, start: int, stop: int | None, draw: Callable[[int], pl.DataFrame]) -> pl.DataFrame:
        """Draw the chunks that cover some rows, and cut them to these rows."""
        start, stop, _ = slice(start, stop).indices(self.impressions)
        chunk = LISTS * self.positions
        first = min(start, self.impressions - 1) // chunk
        frame = pl.concat([draw(number) for number in range(first, max(first + 1, -(-stop // chunk)))])
        return frame.slice(start - first * chunk, max(0, stop - start))

    def _shown(self, number: int) -> tuple[np.random.Generator, Shown, Pairs]:
        """A chunk's impressions, and the random stream for their outcomes."""
        rng = np.random.default_rng([self.seed, ROWS, number])
        lists = -(-self.impressions // self.positions)
        own = np.arange(number * LISTS, min((number + 1) * LISTS, lists))
        shown = self.market.show(rng, (own + rng.random(len(own))) / lists, self.positions)
        shown = shown.head(self.impressions - number * LISTS * self.positions)
        return rng, shown, self.market.pairs(shown.users, shown.items, shown.position)

    def _rows(self, number: int) -> pl.DataFrame:
        rng, shown, pairs = self._shown(number)
        columns = {
            "user_id": shown.users + 1,
            "item_id": shown.items + 1,
            "time": self._times(shown.moment),
            "position": shown.position.astype(np.int32),
        }
        return pl.DataFrame({**columns, **self._outcomes(rng, pairs)}, nan_to_null=True)

    def _outcomes(self, rng: np.random.Generator, pairs: Pairs) -> Mapping[str, npt.NDArray[np.uint8] | Floats]:
        """Draw stage after stage, each among the rows that reached the one before."""
        found: dict[str, npt.NDArray[np.uint8] | Floats] = {}
        at = np.arange(len(pairs.match))
        for name in CHAIN:
            at = at[rng.random(len(at), dtype=np.float32) < self.market.chances(name, pairs.take(at))]
            found[name] = np.zeros(len(pairs.match), dtype=np.uint8)
            found[name][at] = 1
        at = np.flatnonzero(found["bought"])
        at = at[rng.random(len(at)) < self.review_rate]
        meant = self.market.logits("rating", pairs.take(at)) + rng.logistic(0, STAR_NOISE, len(at))
        found["rating"] = np.full(len(pairs.match), np.nan, dtype=np.float32)
        found["rating"][at] = meant.round().clip(1, STARS)
        return found

    def _truths(self, pairs: Pairs) -> dict[str, Floats]:
        clicked, carted, bought, returned = (self.market.chances(name, pairs) for name in CHAIN)
        mean = self.market.logits("rating", pairs)
        # The expected stars are 1 plus the sum of P(stars >= star).
        more = [sigmoid((mean - star + 0.5) / STAR_NOISE) for star in range(2, STARS + 1)]
        found: dict[str, Floats] = {
            "clicked": clicked,
            "carted": clicked * carted,
            "bought": clicked * carted * bought,
            "returned": clicked * carted * bought * returned,
            "rating": np.asarray(1 + sum(more)),
            "carted_if_clicked": carted,
            "bought_if_carted": bought,
            "returned_if_bought": returned,
        }
        return {name: values.astype(np.float32) for name, values in found.items()}

    def _events(self, number: int, impressions: bool) -> pl.DataFrame:
        rng = np.random.default_rng([self.seed, DELAYS, number])
        rows = self._rows(number).with_columns(impression=pl.col("time"))
        for event, (_, before, mean_s) in EVENTS.items():
            delays = 1 + rng.exponential(mean_s, len(rows)).astype(np.int64)
            rows = rows.with_columns((pl.col(before) + delays).alias(event))
        happened = {event: pl.col(signal) > 0 for event, (signal, _, _) in EVENTS.items()}
        if impressions:
            happened = {"impression": pl.lit(True), **happened}
        return pl.concat(
            rows.filter(condition).select(
                "user_id",
                "item_id",
                event=pl.lit(event),
                value=pl.col("rating") if event == "review" else pl.lit(None, pl.Float32),
                time=pl.col(event),
            )
            for event, condition in happened.items()
        )

    def _times(self, moments: npt.NDArray[np.float64]) -> Whole:
        return START + (moments * self.days * DAY_S).astype(np.int64)


def _places(role: str, ids: Ids | Tensor, count: int) -> Whole:
    """Positions of ids, from 0."""
    numbers = np.asarray(ids)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise DataError(f"the ids of {role}s come as a list of whole numbers from 1 to {count}, not as {ids!r}")
    places = numbers.astype(np.int64) - 1
    outside = (places < 0) | (places >= count)
    if outside.any():
        raise DataError(f"there is no {role} {places[outside][0] + 1} in the shop; ids: 1 to {count}")
    return places
