"""BoughtTogether: items that often occur together with those of the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from motet.baselines.neighbours import Array, Neighbours
from motet.data.log import EventLog
from motet.errors import ConfigError, did_you_mean
from motet.tasks.rows import Rows

Measure = Literal["count", "cosine", "lift"]


class BoughtTogether(Neighbours):
    r"""Co-occurrence: how many users had both items, as a count or relative to how many had each.

    $$ count = n_{ij} \qquad cosine = \frac{n_{ij}}{\sqrt{n_i n_j}} \qquad lift = \frac{n_{ij} \, n}{n_i n_j} $$

    where $n_i$ users had item i, $n_{ij}$ had both, and n is the number of users. If rows have weights, they replace
    the counts. The count favours popular items, the lift rare ones.

    Args:
        train: The training log.
        name: Key of its scores and metrics.
        where: Which rows are positives, such as `"event == 'purchase'"`; all rows if not given.
        measure: One of the three.
        at_least: Co-occurrence is 0 if fewer users had both. With 1, pairs that occur once by chance get a high lift.
        neighbours: Largest number of similar items that count for an item.

    Raises:
        ConfigError: If the measure is unknown, `neighbours` is below 1, or scipy is not installed.

    Source:
        Linden, Smith and York, "Amazon.com Recommendations: Item-to-Item Collaborative Filtering", 2003 (the cosine);
        Brin, Motwani, Ullman and Tsur, "Dynamic Itemset Counting", SIGMOD 1997 (the lift, there called interest).

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [1, 1, 2, 2, 3], "item_id": [*"abbca"]})
        >>> BoughtTogether(EventLog.read(events, Schema()), at_least=1).recommend(3, k=1).ids
        array(['b'], dtype=object)
    """

    def __init__(
        self,
        train: EventLog,
        *,
        name: str = "bought together",
        where: str | Rows | None = None,
        measure: Measure = "cosine",
        at_least: float = 2,
        neighbours: int = 50,
    ) -> None:
        if measure not in get_args(Measure):
            hint = did_you_mean(measure, get_args(Measure))
            raise ConfigError(f"measure={measure!r} is not one of {', '.join(map(repr, get_args(Measure)))}{hint}")
        super().__init__(train, name=name, where=where, neighbours=neighbours)
        self.measure = measure
        self.at_least = at_least
        squares = self._had.multiply(self._had)
        counts: Array = np.maximum(np.asarray(squares.sum(0)).ravel(), np.float32(1e-12))
        users = np.float32(self.warm.sum())

        def likeness(products: Array, here: slice) -> Array:
            together: Array = np.where(products >= at_least, products, np.float32(0))
            chance: Array = counts[here, None] * counts
            found: dict[Measure, Callable[[], Array]] = {
                "count": lambda: together,
                "cosine": lambda: (together / np.sqrt(chance)).astype(np.float32),
                "lift": lambda: together * users / chance,
            }
            return found[measure]()

        self.fit(likeness)
