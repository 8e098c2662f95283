"""Evidence: what metrics were shown, kept so that figures can be taken again, of some users or of resampled ones."""

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
    """The judged rows of one task under one protocol: scored or ranked once, whatever is asked of them afterwards.

    Its size is that of the test rows, some 60 bytes each; nothing grows with users times items.

    Attributes:
        prefix: Of the keys of its figures: `"rating"`, `"retrieval/unseen"`.
        metrics: Makes fresh ones.
        values: The score of each row, or its rank.
        labels: The label of each row; None where the values are ranks.
        queries: The list each row belongs to.
        users: Their user rows; all users that training does not know are one.
        items: Their item rows.
        weights: What each row counts for, above 0.
        rows: Where they stand in the test log.
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
        """The keys of its figures."""
        return [key for key, _, _ in self._parts()]

    def figures(self) -> dict[str, float]:
        """What the metrics make of all its rows.

        Returns:
            Figures by key; NaN where there are no rows.

        Raises:
            DataError: If a score or a label is none that a metric takes; the message names the figure.
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
        """One figure in samples of users, for its interval.

        Args:
            key: Of the figure.
            users: The user of each row, from 0.
            size: How many users there are.

        Returns:
            See `motet.metrics.base.Metric.spread`.
        """
        metric, columns = self._part(key)
        return metric.spread(columns, users, size)

    def bias(self, key: str, users: Int[Tensor, " rows"], size: int) -> Bias:
        """How far chance alone lifts one figure.

        Args:
            key: Of the figure.
            users: The user of each row, from 0.
            size: How many users there are.

        Returns:
            See `motet.metrics.base.Metric.bias`.
        """
        metric, columns = self._part(key)
        return metric.bias(columns, users, size)

    def of(self, chosen: Bool[Tensor, " test"]) -> Self:
        """Those of its rows that are chosen.

        Args:
            chosen: One a row of the test log.

        Returns:
            Less evidence, of the same scores and ranks.
        """
        kept = chosen[self.rows]
        return self._each(lambda column: column[kept])

    def cpu(self) -> Self:
        """The same, where the memory of an accelerator is not taken up."""
        return self._each(Tensor.cpu)

    def same_rows(self, other: Evidence) -> bool:
        """Whether another system was judged on the very rows that this one was.

        Args:
            other: Of the other system.

        Returns:
            Whether users, items and weights are equal, row by row.
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
        """What the metric is shown."""
        if self.labels is None:
            return self.values, self.queries, self.weights
        if isinstance(metric, ListMetric):
            return self.values, self.labels, self.queries, self.weights
        return self.values, self.labels, self.weights


def _update(metric: Metric) -> Callable[..., None]:
    assert isinstance(metric, PointMetric | ListMetric | CorpusMetric)
    return metric.update
