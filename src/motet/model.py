"""Model: a user tower, an item tower, and the tasks that meet at their outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motet.balancers.base import Balancer
from motet.balancers.fixed import Fixed
from motet.data.batch import Batch, Columns
from motet.errors import ConfigError, did_you_mean
from motet.preference import Preference
from motet.tasks.base import PairTask, Task, pair, pair_width
from motet.tasks.trainable import check_trainable
from motet.towers.base import Tower
from motet.towers.vectors import Vectors
from motet.trunks.base import Trunk


class Losses(dict[str, Tensor]):
    """Losses by task.

    Args:
        losses: By task.
        shared: The vectors at which the tasks meet, each distinct one once: of the users, of the items, and of
            items beyond the batch that tasks read. Gradients with respect to them say who pulls where.
        rows: Which user or item each of these vectors belongs to; None where it is that of one row of the batch alone.
        weights: What each counts for in this batch, where a preference was drawn for it; as the model says, where not.
    """

    def __init__(
        self,
        losses: Mapping[str, Tensor] | None = None,
        *,
        shared: Sequence[Tensor] = (),
        rows: Sequence[Tensor | None] = (),
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(losses or {})
        self.shared = tuple(shared)
        self.rows = tuple(rows)
        self.weights = dict(weights or {})


class Model(nn.Module):
    r"""Two towers, any number of tasks, a trunk that their heads may share; an ordinary `nn.Module`.

    $$ L = \sum_t w_t \, L_t $$

    Override `compute_loss` where tasks and weights cannot say it.

    Args:
        user: Embeds users.
        item: Embeds items.
        tasks: The objectives; their names differ.
        weights: What each task's loss counts for, by name; 1 where not given. A task of weight 0 is not trained.
        trunk: Shared by the heads of all tasks that read the pair of vectors; each reads the bare pair where not given.
        balancer: Turns the weighted losses into gradients; their sum, where not given.
        preference: Trains one model for every weighting around `weights`; for these alone where not given.

    Raises:
        ConfigError: If two tasks share a name, weights are for no task, negative or all 0, or no task reads the trunk.

    Source:
        Caruana, "Multitask Learning", Machine Learning 1997; Covington et al., "Deep Neural Networks for YouTube
        Recommendations", RecSys 2016, for the two towers.
    """

    def __init__(
        self,
        *,
        user: Tower,
        item: Tower,
        tasks: Sequence[Task],
        weights: Mapping[str, float] | None = None,
        trunk: Trunk | None = None,
        balancer: Balancer | None = None,
        preference: Preference | None = None,
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
        self.trunk = trunk
        self.balancer = Fixed() if balancer is None else balancer
        self.balancer.build(names)
        heads = [task for task in tasks if isinstance(task, PairTask)] if trunk is not None else []
        if trunk is not None:
            if not heads:
                raise ConfigError(
                    "no task reads the trunk; add one whose head reads the pair of vectors, such as Rating, or leave "
                    "the trunk out"
                )
            width = pair_width(user, item, product=trunk.product, of="the trunk")
            trunk.build(width, [task.name for task in heads])
        for task in tasks:
            if trunk is not None and isinstance(task, PairTask):
                task.build_head(trunk.out_dim, user, item)
            else:
                task.build(user, item)
        self.preference = preference
        if preference is not None:
            preference.build(names, user.dim)

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
            if not 0 <= weight < math.inf:
                raise ConfigError(f"the weight of task {name!r} is {weight}; it must be finite, and 0 or more")
        self._weights = {name: float(weights.get(name, 1.0)) for name in tasks}
        if tasks and not any(self._weights.values()):
            raise ConfigError(f"every task has weight 0 ({', '.join(tasks)}); give one of them a weight above 0")

    def prefer(self, preference: Mapping[str, float] | None) -> Float[Tensor, " tasks"] | None:
        """A preference as a `Batch` carries it to towers, heads and losses.

        Args:
            preference: A weighting of the tasks, in the unit of `weights` and up to a factor; 0 where one is not named.

        Returns:
            What `Batch.preference` holds; None for None.

        Raises:
            ConfigError: If the model was made for one weighting, or the preference breaks a rule of `Preference.told`.
        """
        if preference is None:
            return None
        if self.preference is None:
            raise ConfigError(
                "the model knows one weighting and takes no preference; make it with Model(..., "
                "preference=Preference()) and train it, or leave the preference out"
            )
        return self.preference.told(preference, self._weights)

    def prepare(self, train: Columns) -> None:
        """Let towers and tasks look once at the training rows, before the first step.

        Args:
            train: The training log.
        """
        for tower in (self.user, self.item):
            tower.prepare(train)
        batch = train.batch()
        for task in self.tasks.values():
            if task.finds(batch) and task.labelled(batch).any():  # of a task that is not trained there may be nothing
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
            if self._weights[name] > 0:
                check_trainable(task, batch)

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "batch user_dim"], Float[Tensor, "batch item_dim"]]:
        """Embed both sides of every row; equal ids are embedded once where they have equal vectors.

        Args:
            batch: Needs both id columns, and the context the towers read.

        Returns:
            User vectors and item vectors.
        """
        (_, user), (_, item) = self._embed(self._separate(batch))
        return user, item

    def losses(self, batch: Batch) -> Losses:
        """Each trained task's loss, over the rows it learns from.

        In training a model with a `Preference` draws one for a batch that has none.

        Args:
            batch: Rows with labels. A task whose columns it has not is absent.

        Returns:
            One number a task of positive weight, and the vectors at which the tasks meet.
        """
        of_items = Vectors(self.item)
        batch = replace(self._drawn(self._separate(batch)), embed={batch.item_key: of_items})
        (users, user), (items, item) = self._embed(batch)
        user_rows = None if batch.user_key in batch.apart else batch.distinct_users.rows
        of_items.add(items, None if batch.item_key in batch.apart else batch.distinct_items.rows)
        pairs = self._pairs(user, item)
        found: dict[str, Tensor] = {}
        for name, task in self.tasks.items():
            if self._weights[name] > 0 and task.finds(batch):
                if name in pairs and isinstance(task, PairTask):
                    rows = task.head_loss(pairs[name], batch)
                else:
                    rows = task.loss(user, item, batch)
                found[name] = _reduce(rows, task.training_weights(batch), task.reduction)
        return Losses(
            found, shared=(users, *of_items.parts), rows=(user_rows, *of_items.rows), weights=self._asked(batch)
        )

    def compute_loss(self, batch: Batch) -> Mapping[str, Float[Tensor, ""]] | Float[Tensor, ""]:
        """What `fit` minimises; override it for objectives that tasks and weights cannot say.

        Args:
            batch: Rows with labels.

        Returns:
            Losses by name, of which `fit` minimises the sum weighted by `weights` (names that are no task weigh 1);
            or a single number.
        """
        return self.losses(batch)

    def weigh(self, losses: Mapping[str, Float[Tensor, ""]]) -> dict[str, Float[Tensor, ""]]:
        """Losses times what each counts for in their batch; what is no task weighs 1.

        Args:
            losses: By name, as `losses` or `compute_loss` returns them.

        Returns:
            What the balancer is given.

        Raises:
            ConfigError: If a preference was drawn for the batch, and the losses no longer say which.
        """
        weights = losses.weights if isinstance(losses, Losses) and losses.weights else self._weights
        if self.preference is not None and self.training and weights is self._weights:
            raise ConfigError(
                "the losses have lost the weights that were drawn for their batch; return from compute_loss what "
                "Model.losses returns, with further losses put into it"
            )
        return {name: weights.get(name, 1.0) * loss for name, loss in losses.items()}

    def total(self, losses: Mapping[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
        """The sum of losses by what each counts for.

        Args:
            losses: By name.

        Returns:
            The number whose gradient trains the model, where no balancer is at work.
        """
        return torch.stack(list(self.weigh(losses).values())).sum()

    def embed_users(self, batch: Batch) -> Float[Tensor, "batch user_dim"]:
        """User vectors, under the preference of the batch.

        Args:
            batch: Needs the id column of the users, and the context their tower reads.

        Returns:
            One vector for each row of the batch.
        """
        vectors: Tensor = self.user(batch)
        return vectors if self.preference is None else self.preference(vectors, batch.preference)

    def score(self, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """What every task says of each row's pair, in its own unit.

        Args:
            batch: Needs both id columns, and the context the towers read.

        Returns:
            One score a row, by task.
        """
        user, item = self(batch)
        return self.score_vectors(user, item, batch)

    def score_vectors(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> dict[str, Float[Tensor, " batch"]]:
        """As `score`, where the vectors are at hand.

        Args:
            user: User vectors.
            item: Item vectors.
            batch: The rows they belong to.

        Returns:
            One score a row, by task.
        """
        pairs = self._pairs(user, item)
        return {
            name: task.head_score(pairs[name], batch)
            if name in pairs and isinstance(task, PairTask)
            else task.score(user, item, batch)
            for name, task in self.tasks.items()
        }

    def score_parts(self, name: str, batch: Batch) -> Mapping[str, Float[Tensor, " batch"]]:
        """All that one task says of each row's pair: of a funnel, the probability of every stage.

        Args:
            name: Of the task.
            batch: Needs both id columns, and the context the towers read.

        Returns:
            One score a row, by part; under `""` where the task has nothing but its score.
        """
        user, item = self(batch)
        pairs, task = self._pairs(user, item), self.tasks[name]
        if name in pairs and isinstance(task, PairTask):
            return task.head_parts(pairs[name], batch)
        return task.parts(user, item, batch)

    def _pairs(self, user: Tensor, item: Tensor) -> dict[str, Tensor]:
        """What the trunk makes of the pairs for each head; nothing where there is no trunk."""
        return {} if self.trunk is None else self.trunk(pair(user, item, product=self.trunk.product))

    def _drawn(self, batch: Batch) -> Batch:
        """The batch with a preference, if it is to have one."""
        if self.preference is None or not self.training or batch.preference is not None:
            return batch
        return replace(batch, preference=self.preference.draw(self._weights))

    def _asked(self, batch: Batch) -> dict[str, float]:
        """What each task counts for by the preference of the batch; nothing where it has none."""
        if self.preference is None or batch.preference is None:
            return {}
        return self.preference.weights(batch.preference, self._weights)

    def _separate(self, batch: Batch) -> Batch:
        """Rows of a side whose tower reads context have a vector each, whatever their ids."""
        sides = ((batch.user_key, self.user), (batch.item_key, self.item))
        keys = {key for key, tower in sides if tower.context}
        return batch if keys <= batch.apart else batch.separate(*keys)

    def _embed(self, batch: Batch) -> list[tuple[Tensor, Tensor]]:
        """Of both sides: the vectors, each distinct one once, and the vector of every row."""
        sides = (
            (self.embed_users, batch.user_key, batch.distinct_users),
            (self.item, batch.item_key, batch.distinct_items),
        )
        found = []
        for embed, key, distinct in sides:
            apart = key in batch.apart
            vectors: Tensor = embed(batch if apart else batch.entities(key, distinct.rows))
            found.append((vectors, vectors if apart else vectors.index_select(0, distinct.index)))
        return found


def _reduce(rows: Tensor, weights: Tensor, reduction: str) -> Tensor:
    weights = weights.to(rows.dtype)
    total = rows.dot(weights)
    if reduction == "sum":
        return total
    return total / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)  # 0 where no row has a label
