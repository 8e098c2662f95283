"""Model: a user tower, an item tower, and the tasks that meet at their outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motet.data.batch import Batch, Columns, Distinct
from motet.errors import ConfigError, DataError, did_you_mean
from motet.tasks.base import Task
from motet.towers.base import Tower


class Model(nn.Module):
    r"""Two towers and any number of tasks; an ordinary `nn.Module`.

    $$ L = \sum_t w_t \, L_t $$

    Override `compute_loss` where tasks and weights cannot say it.

    Args:
        user: Embeds users.
        item: Embeds items.
        tasks: The objectives; their names differ.
        weights: What each task's loss counts for, by name; 1 where not given. A task of weight 0 is not trained.

    Raises:
        ConfigError: If two tasks share a name, or a weight names no task or is negative.

    Source:
        Caruana, "Multitask Learning", Machine Learning 1997; Covington et al., "Deep Neural Networks for YouTube
        Recommendations", RecSys 2016, for the two towers.
    """

    def __init__(
        self, *, user: Tower, item: Tower, tasks: Sequence[Task], weights: Mapping[str, float] | None = None
    ) -> None:
        super().__init__()
        names = [task.name for task in tasks]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigError(f"two tasks are called {twice!r}; give one of them another name")
        self.user = user
        self.item = item
        self._tasks = nn.ModuleList(tasks)
        self.weights = weights or {}
        for task in tasks:
            task.build(user, item)

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks by name, in the order they were given."""
        return {task.name: task for task in self._tasks if isinstance(task, Task)}

    @property
    def weights(self) -> dict[str, float]:
        """What each task's loss counts for; assign a mapping to change it, 1 where a task is not named."""
        return dict(self._weights)

    @weights.setter
    def weights(self, weights: Mapping[str, float]) -> None:
        tasks = self.tasks
        for name, weight in weights.items():
            if name not in tasks:
                raise ConfigError(
                    f"weight {weight} is for {name!r}, which is no task{did_you_mean(name, tasks)}; "
                    f"tasks: {', '.join(tasks)}"
                )
            if not weight >= 0:
                raise ConfigError(f"the weight of task {name!r} is {weight}; it must be 0 or more")
        self._weights = {name: float(weights.get(name, 1.0)) for name in tasks}

    def prepare(self, train: Columns) -> None:
        """Let towers and tasks look once at the training rows, before the first step.

        Args:
            train: The training log.
        """
        for tower in (self.user, self.item):
            tower.prepare(train)
        for task in self.tasks.values():
            task.prepare(train)

    def check(self, log: Columns) -> None:
        """Check, before training, that the log has what the tasks read.

        Args:
            log: The rows to train on.

        Raises:
            DataError: If a column that a trained task reads is absent, no row has its label, or a weight is negative
                or not a number.
        """
        batch = log.batch()
        for name, task in self.tasks.items():
            if self._weights[name] == 0:
                continue
            for column in (*task.needs, *([] if task.weight is None else [task.weight])):
                if column not in batch:
                    raise DataError(
                        f"task {name!r} reads column {column!r}, which is not in the log"
                        f"{did_you_mean(column, batch.columns)}; columns: {', '.join(batch.columns)}"
                    )
            if not task.labelled(batch).any():
                raise DataError(
                    f"task {name!r} has nothing to learn from: not one of {len(batch):,} rows has a value in "
                    f"{' and '.join(map(repr, task.needs))}; give it labels, or weight 0"
                )
            if task.weight is not None and not (batch[task.weight] >= 0).all():
                row = int((~(batch[task.weight] >= 0)).nonzero()[0])
                raise DataError(
                    f"column {task.weight!r}, the row weights of task {name!r}, holds {batch[task.weight][row].item()} "
                    f"in row {row}; weights must be known and not negative"
                )

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "batch user_dim"], Float[Tensor, "batch item_dim"]]:
        """Embed both sides of every row; equal ids are embedded once where they have equal vectors.

        Args:
            batch: Needs both id columns, and the context the towers read.

        Returns:
            User vectors and item vectors.
        """
        batch = self._separate(batch)
        return (
            self._embed(self.user, batch, batch.user_key, batch.distinct_users),
            self._embed(self.item, batch, batch.item_key, batch.distinct_items),
        )

    def losses(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        """Each trained task's loss, over the rows that carry its labels.

        Args:
            batch: Rows with labels.

        Returns:
            One number a task of positive weight.
        """
        batch = self._separate(batch)
        user, item = self(batch)
        return {
            name: _reduce(task.loss(user, item, batch), task.row_weights(batch), task.reduction)
            for name, task in self.tasks.items()
            if self._weights[name] > 0
        }

    def compute_loss(self, batch: Batch) -> Mapping[str, Float[Tensor, ""]] | Float[Tensor, ""]:
        """What `fit` minimises; override it for objectives that tasks and weights cannot say.

        Args:
            batch: Rows with labels.

        Returns:
            Losses by name, of which `fit` minimises the sum weighted by `weights` (names that are no task weigh 1);
            or a single number.
        """
        return self.losses(batch)

    def total(self, losses: Mapping[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
        """The sum of losses by what each counts for; what is no task weighs 1.

        Args:
            losses: By name, as `losses` or `compute_loss` returns them.

        Returns:
            The number whose gradient trains the model.
        """
        return torch.stack([self._weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()

    def score(self, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """What every task says of each row's pair, in its own unit.

        Args:
            batch: Needs both id columns, and the context the towers read.

        Returns:
            One score a row, by task.
        """
        user, item = self(batch)
        return {name: task.score(user, item, batch) for name, task in self.tasks.items()}

    def _separate(self, batch: Batch) -> Batch:
        """Rows of a side whose tower reads context have a vector each, whatever their ids."""
        sides = ((batch.user_key, self.user), (batch.item_key, self.item))
        keys = {key for key, tower in sides if tower.context}
        return batch if keys <= batch.apart else batch.separate(*keys)

    @staticmethod
    def _embed(tower: Tower, batch: Batch, key: str, distinct: Distinct) -> Tensor:
        if key in batch.apart:
            each: Tensor = tower(batch)
            return each
        vectors: Tensor = tower(batch.entities(key, distinct.rows))
        return vectors.index_select(0, distinct.index)


def _reduce(rows: Tensor, weights: Tensor, reduction: str) -> Tensor:
    total = rows.dot(weights)
    if reduction == "sum":
        return total
    return total / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)  # 0 where no row has a label
