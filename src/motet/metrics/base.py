"""Metric: a figure that is collected over batches, merged across processes, and computed at the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import NamedTuple, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

ByUser = Callable[[Float[Tensor, "draws users"]], Float[Tensor, " draws"]]
"""How often each user counts, in every draw, to the figure of every draw."""


class Bias(NamedTuple):
    """How far chance alone lifts a figure above that of all users there could be."""

    least: float
    most: float

    def less(self, other: Bias) -> Bias:
        """That of a difference of two figures.

        Args:
            other: Of the second.

        Returns:
            Whatever either may be.
        """
        return Bias(self.least - other.most, self.most - other.least)


class Metric(ABC):
    """Collects; `merge` of two parts computes the same figure as the whole.

    What `update` is given may be kept as it is: it must not be changed in place before `compute`.
    """

    def parts(self, name: str) -> dict[str, Metric]:
        """The metrics of which each is one figure: this one, unless it collects for several.

        Args:
            name: What the task calls the metric.

        Returns:
            Metrics by the name each is reported under.
        """
        return {name: self}

    def figures(self, name: str) -> dict[str, float]:
        """What is reported.

        Args:
            name: What the task calls the metric.

        Returns:
            Figures by the name each is reported under.
        """
        return {key: part.compute() for key, part in self.parts(name).items()}

    def by_user(self, columns: Sequence[Tensor], users: Int[Tensor, " rows"], size: int) -> ByUser:  # noqa: ARG002 - others need it
        """The figure of rows as a function of how often each user counts: what a bootstrap over users asks for.

        A user who counts twice is one whose rows weigh twice as much. Here that is done by computing the figure anew
        for every draw, which any metric can; those that know a shorter way take it.

        Args:
            columns: What `update` takes, weights included, of all rows.
            users: The user of each row, from 0.
            size: How many users there are.

        Returns:
            A function of counts, `[draws, users]`; NaN for a draw that leaves nothing to measure.
        """
        *inputs, weights = columns

        def figures(counts: Tensor) -> Tensor:
            return torch.tensor([self._once(inputs, weights * count[users]) for count in counts], dtype=torch.float64)

        return figures

    def spread(self, columns: Sequence[Tensor], users: Int[Tensor, " rows"], size: int) -> ByUser:
        """Figures of draws that stray from one another as the figure does from one sample of users to the next.

        That is what `by_user` gives, as long as the figure follows smoothly from what is drawn. Intervals are as wide
        as these figures are spread.

        Args:
            columns: See `by_user`.
            users: The user of each row, from 0.
            size: How many users there are.

        Returns:
            A function of counts, `[draws, users]`; NaN for a draw that leaves nothing to measure.
        """
        return self.by_user(columns, users, size)

    def bias(self, columns: Sequence[Tensor], users: Int[Tensor, " rows"], size: int) -> Bias:  # noqa: ARG002 - others need it
        """How far chance alone lifts the figure, as far as these rows can tell; intervals take it back.

        Args:
            columns: See `by_user`.
            users: The user of each row, from 0.
            size: How many users there are.

        Returns:
            Nothing, unless chance moves the figure up more readily than down.
        """
        return Bias(0.0, 0.0)

    def _once(self, inputs: Sequence[Tensor], weights: Tensor) -> float:
        fresh = deepcopy(self)
        assert isinstance(fresh, PointMetric | ListMetric | CorpusMetric)
        update: Callable[..., None] = fresh.update
        update(*inputs, weights)
        return fresh.compute()

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
