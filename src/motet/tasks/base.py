"""Task: one objective of a joint model, with its head, loss, metrics and score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.batch import Batch, Columns
from motet.errors import ConfigError
from motet.layers.configured import Configured
from motet.layers.platt import Platt
from motet.metrics.base import Metric
from motet.tasks.rows import Rows
from motet.tasks.unit import RELEVANCE, Unit
from motet.towers.base import Tower


class Task(Configured, ABC):
    """One objective.

    A constructor keeps each of its arguments as an attribute of the same name: see `Configured`.

    Args:
        name: The key of its loss, metrics, score and weight.
        needs: Label columns that it reads, checked against the data before training.
        where: The rows it learns from: a condition such as `"event == 'purchase'"`, or `Rows` with weights. By default
            every row with a label.
        reduction: How row losses become one number: their (weighted) `"mean"` or `"sum"` over the task's rows.

    Raises:
        ConfigError: If the reduction is neither.
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
        self.register_buffer("prepared", torch.tensor(False))  # saved, so that loaded parameters are not set again

    @abstractmethod
    def build(self, user: Tower, item: Tower) -> None:
        """Make the parameters whose shapes depend on the towers; `Model` calls this once.

        Args:
            user: The user tower.
            item: The item tower.
        """

    def prepare(self, train: Columns) -> None:
        """Measure the training rows before the first step: counts, means.

        Args:
            train: The training log.
        """

    @abstractmethod
    def loss(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """One loss a row; a row without a label gets 0 and has weight 0.

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
        """The task's score of each pair of user and item, in its own unit; higher is better.

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

    @property
    def unit(self) -> Unit:
        """What its score is measured in."""
        return RELEVANCE

    @property
    def calibration(self) -> Platt | None:
        """The calibration of its probabilities, one stage for each entry of `judged`; None if it predicts none."""
        return None

    @property
    def judged(self) -> Mapping[str, str]:
        """The label column that point metrics compare with, by the part of a metric's name before the `/`."""
        return {"": self.needs[0]} if self.needs else {}

    def parts(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Mapping[str, Float[Tensor, " batch"]]:
        """What point metrics judge, by the keys of `judged`: the score, or several where a task predicts several.

        Args:
            user: User vectors.
            item: Item vectors.
            batch: The rows the vectors belong to.

        Returns:
            One score a pair, by part.
        """
        return {"": self.score(user, item, batch)}

    @property
    def selections(self) -> tuple[Rows, ...]:
        """Each selection of rows that it learns from, with its weights."""
        return (self.rows,)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the log that it reads."""
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


class CorpusTask(Task, ABC):
    """A task that ranks the whole catalogue by a dot product, so that an index can serve it.

    `score` equals the dot product of `queries` and `candidates` (the largest over heads where queries have several).
    It does not learn from rows with an unknown item, which are no evidence about any item of the catalogue.
    """

    def row_weights(self, batch: Batch) -> Float[Tensor, " batch"]:
        """The weight of each row in the task's metrics: as in `Task.row_weights`, and 0 if the item is unknown."""
        return super().row_weights(batch).where(batch.items > 0, 0.0)

    def labelled(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """The rows that `where` selects, that have every label and whose item is known."""
        return super().labelled(batch) & (batch.items > 0)

    @abstractmethod
    def queries(self, user: Float[Tensor, "n user_dim"], batch: Batch) -> Float[Tensor, "n *heads width"]:
        """User vectors as an index is queried with.

        Args:
            user: User vectors.
            batch: The rows they belong to.

        Returns:
            One query a row, or several, `[n, heads, width]`.
        """

    @abstractmethod
    def candidates(self, item: Float[Tensor, "n item_dim"], batch: Batch) -> Float[Tensor, "n width"]:
        """Item vectors as an index holds them.

        Args:
            item: Item vectors.
            batch: The rows they belong to.

        Returns:
            One vector a row.
        """


class PairTask(Task):
    """A task whose head reads the pair of vectors, or the output of a shared trunk.

    Args:
        name: The key of its loss, metrics, score and weight.
        needs: Label columns that it reads.
        where: The rows it learns from.
        product: Whether the pair includes the elementwise product of the vectors. A trunk has its own setting.
    """

    def __init__(
        self, name: str, *, needs: tuple[str, ...] = (), where: str | Rows | None = None, product: bool = False
    ) -> None:
        super().__init__(name, needs=needs, where=where)
        self.product = product

    def build(self, user: Tower, item: Tower) -> None:
        """Make the head over the pair of vectors.

        Args:
            user: The user tower.
            item: The item tower.

        Raises:
            ConfigError: If `product` is set and the vectors have different widths.
        """
        self.build_head(pair_width(user, item, product=self.product, of=f"task {self.name!r}"), user, item)

    @abstractmethod
    def build_head(self, width: int, user: Tower, item: Tower) -> None:
        """Make the head.

        Args:
            width: The width of its input.
            user: The user tower.
            item: The item tower.
        """

    @abstractmethod
    def head_loss(self, pairs: Float[Tensor, "batch width"], batch: Batch) -> Float[Tensor, " batch"]:
        """One loss a row; 0 where a label is missing.

        Args:
            pairs: The head's input.
            batch: The rows.

        Returns:
            The loss of each row.
        """

    @abstractmethod
    def head_score(self, pairs: Float[Tensor, "batch width"], batch: Batch) -> Float[Tensor, " batch"]:
        """The task's score of each pair.

        Args:
            pairs: The head's input.
            batch: The rows.

        Returns:
            One score a row.
        """

    def head_parts(self, pairs: Float[Tensor, "batch width"], batch: Batch) -> Mapping[str, Float[Tensor, " batch"]]:
        """What point metrics judge; see `Task.parts`.

        Args:
            pairs: The head's input.
            batch: The rows.

        Returns:
            One score a row, by part.
        """
        return {"": self.head_score(pairs, batch)}

    def loss(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """The loss of each row, without a trunk; see `Task.loss`."""
        return self.head_loss(pair(user, item, product=self.product), batch)

    def score(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Float[Tensor, " batch"]:
        """The score of each pair, without a trunk; see `Task.score`."""
        return self.head_score(pair(user, item, product=self.product), batch)

    def parts(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> Mapping[str, Float[Tensor, " batch"]]:
        """What point metrics judge, without a trunk; see `Task.parts`."""
        return self.head_parts(pair(user, item, product=self.product), batch)


def at_rows(values: Float[Tensor, " some"], rows: Int[Tensor, " some"], size: int) -> Float[Tensor, " size"]:
    """Put values at some rows and 0 at all others, as `Task.loss` needs for rows that it does not learn from.

    Args:
        values: One for each of the rows.
        rows: Their positions, each at most once.
        size: The number of rows in all.

    Returns:
        One number a row, differentiable even if `rows` is empty.
    """
    return values.new_zeros(size).index_add(0, rows, values)


def pair(
    user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], *, product: bool
) -> Float[Tensor, "batch width"]:
    """Concatenate both vectors, and their product if asked for.

    Args:
        user: User vectors.
        item: Item vectors.
        product: Whether to add the elementwise product.

    Returns:
        One vector a row.
    """
    return torch.cat([user, item, user * item] if product else [user, item], 1)


def pair_width(user: Tower, item: Tower, *, product: bool, of: str) -> int:
    """The width of `pair`.

    Args:
        user: The user tower.
        item: The item tower.
        product: Whether it includes the product.
        of: The caller, for the error message.

    Returns:
        The width.

    Raises:
        ConfigError: If the product is asked for and the widths differ.
    """
    if product and user.dim != item.dim:
        raise ConfigError(
            f"{of} multiplies user and item vectors, and their widths differ: {user.dim} and {item.dim}; give both "
            "towers the same dim, or product=False"
        )
    return user.dim + item.dim + (user.dim if product else 0)
