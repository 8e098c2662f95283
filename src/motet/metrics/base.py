"""Metric: a figure that accumulates over batches, merges across processes, and is computed at the end."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import NamedTuple, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.arguments import Checked
from motet.errors import ConfigError

ByUser = Callable[[Float[Tensor, "draws users"]], Float[Tensor, " draws"]]
"""Maps the count of each user in every draw to the figure of every draw."""


class Bias(NamedTuple):
    """Bounds of a figure's upward bias: how far chance alone lifts it above its value in the whole population."""

    least: float
    most: float

    def less(self, other: Bias) -> Bias:
        """The bias of a difference of two figures.

        Args:
            other: Bias of the second figure.

        Returns:
            Bounds that cover every combination.
        """
        return Bias(self.least - other.most, self.most - other.least)


def check_list_length(k: int | None) -> None:
    """Refuse a list without items.

    Args:
        k: Length of a list; None for no limit.

    Raises:
        ConfigError: If k is below 1.
    """
    if k is not None and k < 1:
        raise ConfigError(f"k={k}; a list holds at least 1 item")


class Metric(Checked, ABC):
    """Accumulates rows; after `merge`, two parts compute the same figure as the whole.

    `update` may keep its arguments without a copy: do not change them in place before `compute`.
    """

    def parts(self, name: str) -> dict[str, Metric]:
        """The metrics with a single figure that this one consists of; usually the metric itself.

        Args:
            name: The task's name for the metric.

        Returns:
            Metrics by reported name.
        """
        return {name: self}

    def figures(self, name: str) -> dict[str, float]:
        """The reported figures.

        Args:
            name: The task's name for the metric.

        Returns:
            Figures by reported name.
        """
        return {key: part.compute() for key, part in self.parts(name).items()}

    def by_user(self, columns: Sequence[Tensor], users: Int[Tensor, " rows"], size: int) -> ByUser:  # noqa: ARG002 - others need it
        """The figure as a function of how often each user counts, as a bootstrap over users needs it.

        If a user counts twice, their rows weigh twice as much. This default recomputes the figure for every draw, which
        works for any metric; subclasses override it with something faster.

        Args:
            columns: The arguments of `update`, weights included, for all rows.
            users: The user of each row, from 0.
            size: Number of users.

        Returns:
            A function of counts, `[draws, users]`; NaN for draws without any row to measure.
        """
        *inputs, weights = columns

        def figures(counts: Tensor) -> Tensor:
            return torch.tensor([self._once(inputs, weights * count[users]) for count in counts], dtype=torch.float64)

        return figures

    def spread(self, columns: Sequence[Tensor], users: Int[Tensor, " rows"], size: int) -> ByUser:
        """Figures of draws that vary as the figure does between samples of users; they determine interval widths.

        `by_user` gives these as long as the figure is a smooth function of the draw.

        Args:
            columns: See `by_user`.
            users: The user of each row, from 0.
            size: Number of users.

        Returns:
            A function of counts, `[draws, users]`; NaN for draws without any row to measure.
        """
        return self.by_user(columns, users, size)

    def bias(self, columns: Sequence[Tensor], users: Int[Tensor, " rows"], size: int) -> Bias:  # noqa: ARG002 - others need it
        """Estimate how far chance alone lifts the figure; intervals subtract it.

        Args:
            columns: See `by_user`.
            users: The user of each row, from 0.
            size: Number of users.

        Returns:
            Zero, unless chance moves the figure up more than down.
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
        """Add the rows of another metric.

        Args:
            other: A metric with the same settings.
        """

    @abstractmethod
    def compute(self) -> float:
        """The figure over all rows; NaN if there are none."""


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
            labels: Observed values.
            weights: Weight of each row; 1 by default.
        """


class CorpusMetric(Metric, ABC):
    """Reads the rank of each positive among the candidates, as `motet.metrics.ranks` computes it."""

    @property
    def depth(self) -> float:
        """The largest rank that the figure depends on: k, if positives behind the first k all count alike.

        An evaluation computes no rank beyond it, see `within` of `motet.metrics.ranks`. Infinity, unless a metric
        says otherwise.
        """
        return math.inf

    @abstractmethod
    def update(
        self,
        ranks: Float[Tensor, " positives"],
        queries: Int[Tensor, " positives"],
        weights: Float[Tensor, " positives"] | None = None,
    ) -> None:
        """Add positives.

        Args:
            ranks: Ranks from 1; halves come from `average` ties.
            queries: The query (user) of each positive; a query's positives may come in several calls.
            weights: Weight of each positive; 1 by default. Positives of weight 0 are ignored.
        """


class ListMetric(Metric, ABC):
    """Compares the order of a query's scores with the order of its labels."""

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
            labels: Observed values.
            queries: The query (user) of each row; a query's rows may come in several calls.
            weights: Weight of each row; 1 by default. Rows of weight 0 are ignored.
        """
