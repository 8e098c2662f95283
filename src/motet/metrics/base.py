"""Metric: a figure that is collected over batches, merged across processes, and computed at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from jaxtyping import Float, Int
from torch import Tensor


class Metric(ABC):
    """Collects; `merge` of two parts computes the same figure as the whole."""

    def figures(self, name: str) -> dict[str, float]:
        """What is reported; one figure, unless a metric computes several at once.

        Args:
            name: What the task calls the metric.

        Returns:
            Figures by the name each is reported under.
        """
        return {name: self.compute()}

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Add what another collector of the same kind has seen.

        Args:
            other: A metric with the same settings.
        """

    @abstractmethod
    def compute(self) -> float:
        """The figure for all rows seen; NaN where there were none."""


class PointMetric(Metric, ABC):
    """Compares a task's score with the label of the same row."""

    @abstractmethod
    def update(
        self,
        scores: Float[Tensor, " batch"],
        labels: Float[Tensor, " batch"],
        weights: Float[Tensor, " batch"] | None = None,
    ) -> None:
        """Add rows.

        Args:
            scores: In the task's unit.
            labels: What was observed.
            weights: What each row counts for; 1 where not given.
        """


class CorpusMetric(Metric, ABC):
    """Reads the rank that each positive took among the candidates; `motet.metrics.ranks` finds it."""

    @abstractmethod
    def update(
        self,
        ranks: Float[Tensor, " positives"],
        queries: Int[Tensor, " positives"],
        weights: Float[Tensor, " positives"] | None = None,
    ) -> None:
        """Add positives.

        Args:
            ranks: 1 is the best; halves come from `average` ties.
            queries: Which query (user) each positive belongs to; those of one query may come in several calls.
            weights: What each positive counts for; 1 where not given. One of weight 0 is as if it were not there.
        """


class ListMetric(Metric, ABC):
    """Compares the order of a query's scores with the order of the labels of the same rows."""

    @abstractmethod
    def update(
        self,
        scores: Float[Tensor, " batch"],
        labels: Float[Tensor, " batch"],
        queries: Int[Tensor, " batch"],
        weights: Float[Tensor, " batch"] | None = None,
    ) -> None:
        """Add rows.

        Args:
            scores: In the task's unit; only their order within a query counts.
            labels: What was observed.
            queries: Which query (user) each row belongs to; those of one query may come in several calls.
            weights: What each row counts for; 1 where not given. One of weight 0 is as if it were not there.
        """
