"""ItemKNN: items similar to those of the user, by the cosine of their users."""

from __future__ import annotations

import numpy as np

from motet.baselines.neighbours import Array, Neighbours
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.tasks.rows import Rows


class ItemKNN(Neighbours):
    r"""Item-based nearest neighbours by a cosine with shrinkage.

    $$ like_{ij} = \frac{x_i \cdot x_j}{\lVert x_i \rVert \, \lVert x_j \rVert + \beta} $$

    where $x_i$ is column i of the user-item matrix of positives.

    Args:
        train: The training log.
        name: Key of its scores and metrics.
        where: Which rows are positives: a condition, or `Rows` with weights and a half-life; all rows if not given.
        neighbours: Number of similar items that count for an item. 100 to 200 suit most logs.
        shrink: Beta in the formula; it lowers the similarity of items that few users had.

    Raises:
        ConfigError: If `neighbours` is below 1, `shrink` is negative, or scipy is not installed.

    Source:
        Deshpande and Karypis, "Item-Based Top-N Recommendation Algorithms", TOIS 2004; the shrinkage as in Bell and
        Koren, "Improved Neighborhood-based Collaborative Filtering", KDD Cup 2007.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [1, 1, 2, 2, 3], "item_id": [*"abbca"]})
        >>> ItemKNN(EventLog.read(events, Schema())).recommend(3, k=1).ids
        array(['b'], dtype=object)
    """

    def __init__(
        self,
        train: EventLog,
        *,
        name: str = "item kNN",
        where: str | Rows | None = None,
        neighbours: int = 200,
        shrink: float = 10.0,
    ) -> None:
        if shrink < 0:
            raise ConfigError(f"shrink={shrink}; it must be 0 or above")
        super().__init__(train, name=name, where=where, neighbours=neighbours)
        self.shrink = shrink
        lengths: Array = np.sqrt(np.asarray(self._had.multiply(self._had).sum(0)).ravel())

        def likeness(products: Array, here: slice) -> Array:
            below: Array = lengths[here, None] * lengths + np.float32(shrink)
            return np.divide(products, below, out=np.zeros_like(products), where=products > 0)

        self.fit(likeness)
