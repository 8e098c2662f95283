"""Task: one objective of a joint model, with its head, its loss, its metrics and its score."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from motet.data.batch import Batch, Columns
from motet.errors import ConfigError
from motet.metrics.base import Metric
from motet.towers.base import Tower


class Task(nn.Module, ABC):
    """One objective.

    A constructor keeps each of its arguments as an attribute of the same name, so that `config` can tell them.

    Args:
        name: The key of its loss, its metrics, its score and its weight.
        needs: Label columns it reads, checked against the data before training.
        weight: Column of row weights; all rows count the same where not given.
        reduction: How row losses become one: the (weighted) `"mean"` over labelled rows, or their `"sum"`.

    Raises:
        ConfigError: If the reduction is neither.
    """

    prepared: Tensor

    def __init__(
        self,
        name: str,
        *,
        needs: tuple[str, ...] = (),
        weight: str | None = None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__()
        if reduction not in ("mean", "sum"):
            raise ConfigError(f"reduction={reduction!r}; it must be 'mean' or 'sum'")
        self.name = name
        self.needs = needs
        self.weight = weight
        self.reduction = reduction
        self.register_buffer("prepared", torch.tensor(False))  # saved, so that loaded parameters are not set anew

    @abstractmethod
    def build(self, user: Tower, item: Tower) -> None:
        """Make the parameters whose shapes depend on the towers; `Model` calls this once.

        Args:
            user: The user tower.
            item: The item tower.
        """

    def prepare(self, train: Columns) -> None:
        """Look once at the training rows, before the first step: counts, means.

        Args:
            train: The training log.
        """

    @abstractmethod
    def loss(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """One number a row; a row without a label gets 0 and weighs nothing.

        Args:
            user: User vectors.
            item: Item vectors.
            batch: The rows the vectors belong to.

        Returns:
            The loss of each row.
        """

    @abstractmethod
    def score(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """What the task says of each pair, in its own unit; higher is better.

        Args:
            user: User vectors.
            item: Item vectors.
            batch: The rows the vectors belong to; holds at least the user and item columns.

        Returns:
            One score a pair.
        """

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """Fresh metrics for an evaluation, by the name they are reported under."""

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, to save the task with a model."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def row_weights(self, batch: Batch) -> Float[Tensor, " batch"]:
        """What each row counts for in the task's loss and metrics: 0 where a label is missing."""
        weights = torch.ones(len(batch), device=batch.users.device) if self.weight is None else batch[self.weight]
        return weights * self.labelled(batch) if self.needs else weights

    def labelled(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """Which rows carry every label the task needs."""
        rows = torch.ones(len(batch), dtype=torch.bool, device=batch.users.device)
        for column in self.needs:
            rows &= ~batch[column].isnan()
        return rows


class CorpusTask(Task, ABC):
    """A task that ranks the whole catalogue by a dot product, so that an index can serve it.

    `score` equals the dot product of `queries` and `candidates` (the largest over heads where queries have several).
    """

    @abstractmethod
    def queries(self, user: Float[Tensor, "n user_dim"], batch: Batch) -> Float[Tensor, "n *heads width"]:
        """User vectors as the index is asked.

        Args:
            user: User vectors.
            batch: The rows they belong to.

        Returns:
            One query a row, or several, `[n, heads, width]`.
        """

    @abstractmethod
    def candidates(self, item: Float[Tensor, "n item_dim"], batch: Batch) -> Float[Tensor, "n width"]:
        """Item vectors as the index holds them.

        Args:
            item: Item vectors.
            batch: The rows they belong to.

        Returns:
            One vector a row.
        """
