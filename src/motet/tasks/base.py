"""Task: one objective of a joint model.

A task selects the rows it learns from, computes one loss per row from the user and item vectors, and predicts a score
in its own unit, which its metrics judge. A `CorpusTask` ranks the whole catalogue by a dot product; a task with a head
over both vectors is a `PairTask`, in `pair.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.batch import Batch, Columns
from motet.errors import ConfigError
from motet.layers.configured import Configured
from motet.layers.platt import Platt
from motet.layers.precision import widened
from motet.metrics.base import Metric
from motet.tasks.rows import Rows
from motet.tasks.unit import RELEVANCE, Unit
from motet.towers.base import Tower


class Task(Configured, ABC):
    """One objective of a joint model.

    A constructor keeps each of its arguments as an attribute of the same name: see `Configured`.

    Args:
        name: The key of its loss, metrics, score and weight.
        needs: Label columns that it reads, checked against the data before training.
        where: The rows it learns from: a condition such as `"event == 'purchase'"`, or `Rows` with weights. By default
            every row with a label.
        reduction: How the losses of the rows become one number: their weighted `"mean"` or `"sum"`.

    Raises:
        ConfigError: If the reduction is neither `"mean"` nor `"sum"`.
    """

    prepared: Tensor

    def __init__(
        self,
        name: str,
        *,
        needs: tuple[str, ...] = (),
        where: str | Rows | None = None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__()
        if reduction not in ("mean", "sum"):
            raise ConfigError(f"reduction={reduction!r}; it must be 'mean' or 'sum'")
        self.name = name
        self.needs = needs
        self.where = where
        self.rows = Rows.of(where)
        self.reduction = reduction
        self.register_buffer(
            "prepared", torch.tensor(False)
        )  # saved, so that loaded parameters are not initialised again

    @abstractmethod
    def build(self, user: Tower, item: Tower) -> None:
        """Create the parameters whose shapes depend on the towers; `Model` calls this once.

        Args:
            user: The user tower.
            item: The item tower.
        """

    def prepare(self, train: Columns) -> None:
        """Collect statistics of the training rows before the first step, such as counts and means.

        Args:
            train: The training log.
        """

    @abstractmethod
    def loss(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """Compute one loss per row: 0 for a row without a label, which also has weight 0.

        Args:
            user: User vectors.
            item: Item vectors.
            batch: The rows of the vectors.

        Returns:
            The loss of each row.
        """

    @abstractmethod
    def score(
        self, user: Float[Tensor, "... user_dim"], item: Float[Tensor, "*batch item_dim"], batch: Batch
    ) -> Float[Tensor, "*batch"]:
        """Compute the task's score of each row's user and item, in its own unit; higher is better.

        Users and items broadcast: `[n, 1, user_dim]` and `[n, c, item_dim]` give the scores `[n, c]` of n users with c
        items each, so that what depends on the user alone is computed once per user.

        Args:
            user: User vectors.
            item: Item vectors.
            batch: The rows of the vectors, with at least the user and item columns.

        Returns:
            One score per row.
        """

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """New metrics for an evaluation, by reported name."""

    @property
    def unit(self) -> Unit:
        """The unit of its score."""
        return RELEVANCE

    @property
    def calibration(self) -> Platt | None:
        """The calibration of its probabilities, one stage for each entry of `judged`; None if it predicts none."""
        return None

    @property
    def judged(self) -> Mapping[str, str]:
        """The label column that point metrics compare each part with; `stage/auc` judges the part `stage`."""
        return {"": self.needs[0]} if self.needs else {}

    def parts(
        self, user: Float[Tensor, "... user_dim"], item: Float[Tensor, "*batch item_dim"], batch: Batch
    ) -> Mapping[str, Float[Tensor, "*batch"]]:
        """Compute the predictions that point metrics compare with labels: the score, or one for each key of `judged`.

        Args:
            user: User vectors.
            item: Item vectors.
            batch: The rows of the vectors.

        Returns:
            One score per row, by part.
        """
        return {"": self.score(user, item, batch)}

    @property
    def selections(self) -> tuple[Rows, ...]:
        """The selections of rows that it learns from, with their weights."""
        return (self.rows,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the log that it reads."""
        return tuple(dict.fromkeys((*self.needs, *(column for rows in self.selections for column in rows.columns))))

    def has_columns(self, batch: Batch) -> bool:
        """Whether the batch has every column that the task reads; the task skips a batch that does not."""
        return all(column in batch for column in self.columns)

    def row_weights(self, batch: Batch) -> Float[Tensor, " batch"]:
        """The weight of each row in the task's metrics: 0 if `where` does not select it or a label is missing."""
        weights = self.rows.weights(batch)
        return weights.where(self.labelled(batch), 0.0) if self.needs else weights

    def training_weights(self, batch: Batch) -> Float[Tensor, " batch"]:
        """The weight of each row in the task's loss: its weight in the metrics, times the decay with age."""
        return self.row_weights(batch) * self.rows.decay(batch)

    def labelled(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """The rows that `where` selects and that have every label."""
        rows = self.rows.chosen(batch)
        for column in self.needs:
            rows &= ~batch[column].isnan()
        return rows

    def reduce(self, losses: Float[Tensor, " batch"], batch: Batch) -> Float[Tensor, ""]:
        """Reduce the losses of rows to the task's loss.

        Args:
            losses: The loss of each row.
            batch: The rows.

        Returns:
            The mean or sum, weighted by `training_weights`; 0 if no row has a label.
        """
        losses = widened(losses)
        weights = self.training_weights(batch).to(losses.dtype)
        total = losses.dot(weights)
        if self.reduction == "sum":
            return total
        return total / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


class CorpusTask(Task, ABC):
    """A task that ranks the whole catalogue by a dot product, so that an index can serve it.

    `score` equals the dot product of `queries` and `candidates`, or the largest one if a user has several queries. The
    task does not learn from rows with an unknown item, which are no evidence about any item of the catalogue.
    """

    def row_weights(self, batch: Batch) -> Float[Tensor, " batch"]:
        """The weight of each row in the task's metrics: as in `Task.row_weights`, and 0 if the item is unknown."""
        return super().row_weights(batch).where(batch.items > 0, 0.0)

    def labelled(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """The rows that `where` selects, that have every label and whose item is known."""
        return super().labelled(batch) & (batch.items > 0)

    @abstractmethod
    def queries(self, user: Float[Tensor, "*batch user_dim"], batch: Batch) -> Float[Tensor, "... width"]:
        """Compute the queries of an index from user vectors.

        Args:
            user: User vectors.
            batch: The rows of the vectors.

        Returns:
            One query per row, or several, `[*batch, heads, width]`.
        """

    @abstractmethod
    def candidates(self, item: Float[Tensor, "*batch item_dim"], batch: Batch) -> Float[Tensor, "*batch width"]:
        """Compute the vectors that an index holds from item vectors.

        Args:
            item: Item vectors.
            batch: The rows of the vectors.

        Returns:
            One vector per row.
        """


def at_rows(values: Float[Tensor, " some"], rows: Int[Tensor, " some"], size: int) -> Float[Tensor, " size"]:
    """Scatter values to their rows, with 0 in all others: for a `Task.loss` that computes only some rows.

    Args:
        values: The values.
        rows: The row of each value, without repetition.
        size: The number of rows.

    Returns:
        One number per row, differentiable even if `rows` is empty.
    """
    return values.new_zeros(size).index_add(0, rows, values)


def check_names(tasks: Sequence[Task]) -> None:
    """Check the names of a model's tasks, which begin the keys of its metrics: `<task>/<metric>`.

    Args:
        tasks: The tasks.

    Raises:
        ConfigError: If a name is empty, contains `/`, is `served`, or is that of two tasks.
    """
    names = [task.name for task in tasks]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"two tasks are called {name!r}; give one of them another name or, if its name is its label, say "
                f"label=Label({name!r}, name=...)"
            )
        if not name or "/" in name or name == "served":
            raise ConfigError(
                f"a task is called {name!r}; the name must not be empty, contain '/' or be 'served': if it is that of "
                "the label, rename the column"
            )
