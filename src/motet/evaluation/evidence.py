"""Evidence: the scores or ranks of test rows, from which metrics are computed.

Scoring and ranking are expensive, metrics are not. So evidence is collected once, and metrics are computed from it on
all rows, on slices, and on bootstrap samples of users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.errors import DataError
from motet.metrics.base import Bias, ByUser, CorpusMetric, ListMetric, Metric, PointMetric

Metrics = Callable[[], Mapping[str, Metric]]


@dataclass(frozen=True, eq=False, repr=False)
class Evidence:
    """The scored or ranked rows of one task under one protocol.

    It takes some 60 bytes per test row; nothing grows with users times items.

    Attributes:
        prefix: Prefix of the keys of its metrics: `"rating"`, `"retrieval/unseen"`.
        metrics: Creates the metrics.
        values: The score of each row, or its rank.
        labels: The label of each row; None if the values are ranks.
        queries: The list that each row belongs to.
        users: The user row of each row; all unknown users are one.
        items: The item row of each row.
        weights: The weight of each row, above 0.
        rows: The position of each row in the test log.
    """

    prefix: str
    metrics: Metrics
    values: Float[Tensor, " rows"]
    labels: Float[Tensor, " rows"] | None
    queries: Int[Tensor, " rows"]
    users: Int[Tensor, " rows"]
    items: Int[Tensor, " rows"]
    weights: Float[Tensor, " rows"]
    rows: Int[Tensor, " rows"]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def keys(self) -> list[str]:
        """The keys of the metrics."""
        return [key for key, _, _ in self._parts()]

    def figures(self) -> dict[str, float]:
        """Compute the metrics of all rows.

        Returns:
            Metrics by key; NaN if there are no rows.

        Raises:
            DataError: If a metric does not accept a score or a label; the message names the metric.
        """
        found = {}
        for name, metric in self.metrics().items():
            update: Callable[..., None] = _update(metric)
            try:
                update(*self._columns(metric))
            except DataError as error:
                raise DataError(f"{self.prefix}/{name}: {error}") from error
            found.update({f"{self.prefix}/{key}": figure for key, figure in metric.figures(name).items()})
        return found

    def spread(self, key: str, users: Int[Tensor, " rows"], size: int) -> ByUser:
        """Compute one metric on samples of users, for its interval.

        Args:
            key: Key of the metric.
            users: The user of each row, from 0.
            size: Number of users.

        Returns:
            See `motet.metrics.base.Metric.spread`.
        """
        metric, columns = self._part(key)
        return metric.spread(columns, users, size)

    def bias(self, key: str, users: Int[Tensor, " rows"], size: int) -> Bias:
        """Compute the upward bias of one metric.

        Args:
            key: Key of the metric.
            users: The user of each row, from 0.
            size: Number of users.

        Returns:
            See `motet.metrics.base.Metric.bias`.
        """
        metric, columns = self._part(key)
        return metric.bias(columns, users, size)

    def on(self, chosen: Bool[Tensor, " test"]) -> Self:
        """Select rows.

        Args:
            chosen: A mask over the rows of the test log.

        Returns:
            Their evidence, with the same scores and ranks.
        """
        kept = chosen[self.rows]
        return self._each(lambda column: column[kept])

    def cpu(self) -> Self:
        """The same evidence in main memory."""
        return self._each(Tensor.cpu)

    def same_rows(self, other: Evidence) -> bool:
        """Whether another system was measured on the same rows.

        Args:
            other: Evidence of the other system.

        Returns:
            True if users, items and weights are equal, row by row.
        """
        columns = ("rows", "users", "items", "weights")
        return len(self) == len(other) and all(torch.equal(getattr(self, c), getattr(other, c)) for c in columns)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        changed: dict[str, Any] = {
            name: change(value) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **changed)

    def _parts(self) -> Iterator[tuple[str, Metric, tuple[Tensor, ...]]]:
        for name, metric in self.metrics().items():
            for key, part in metric.parts(name).items():
                yield f"{self.prefix}/{key}", part, self._columns(part)

    def _part(self, key: str) -> tuple[Metric, tuple[Tensor, ...]]:
        return next((metric, columns) for name, metric, columns in self._parts() if name == key)

    def _columns(self, metric: Metric) -> tuple[Tensor, ...]:
        """The inputs of a metric, by its kind."""
        if self.labels is None:
            return self.values, self.queries, self.weights
        if isinstance(metric, ListMetric):
            return self.values, self.labels, self.queries, self.weights
        return self.values, self.labels, self.weights


def _update(metric: Metric) -> Callable[..., None]:
    assert isinstance(metric, PointMetric | ListMetric | CorpusMetric)
    return metric.update
