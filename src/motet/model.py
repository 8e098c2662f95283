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
from motet.errors import ConfigError, DataError, did_you_mean
from motet.layers.precision import widened
from motet.preference import Preference
from motet.tasks.base import PairTask, Task, pair, pair_width
from motet.tasks.trainable import check_trainable
from motet.towers.base import Tower
from motet.towers.vectors import Vectors
from motet.trunks.base import Trunk


class Losses(dict[str, Tensor]):
    """The losses of one batch by task, with the vectors that the tasks share.

    Args:
        losses: One number a task.
        shared: The tower outputs that the tasks read, each distinct vector once: users, items, and items outside the
            batch that a task sampled. The gradients at these vectors show how strongly each task pulls, and in which
            direction.
        rows: The user or item rows of each of the shared tensors; None if its vectors belong to single batch rows.
    """

    def __init__(
        self,
        losses: Mapping[str, Tensor] | None = None,
        *,
        shared: Sequence[Tensor] = (),
        rows: Sequence[Tensor | None] = (),
    ) -> None:
        super().__init__(losses or {})
        self.shared = tuple(shared)
        self.rows = tuple(rows)


class Model(nn.Module):
    r"""A user tower, an item tower, tasks that read both, and optionally a trunk that their heads share.

    $$ L = \sum_t w_t \, L_t $$

    It is an ordinary `nn.Module`. Override `compute_loss` for an objective that tasks and weights cannot express.

    Args:
        user: Embeds users.
        item: Embeds items.
        tasks: The objectives, each with a name of its own.
        weights: The weight of each task's loss, by name; the default is 1. A task of weight 0 is not trained.
        trunk: Layers shared by the heads of all tasks that read the pair of vectors. Without one, each head reads the
            pair itself.
        balancer: Turns the weighted losses into gradients; by default it adds them up (`Fixed`).
        preference: Trains one model for every weighting around `weights`. Without one, the model is trained for
            `weights` alone.

    Raises:
        ConfigError: If two tasks share a name; a weight names no task, is negative or not finite; all weights are 0;
            or there is a trunk and no task reads it.

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
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two tasks are called {name!r}; give one of them another name")
            if not name or "/" in name or name == "served":  # keys of metrics start with it
                raise ConfigError(f"a task is called {name!r}; the name must not be empty, contain '/' or be 'served'")
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
                    "no task reads the trunk; add a task with a head, such as Rating, or leave the trunk out"
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
        """The weight of each task's loss. Assign a mapping to change them; a task it does not name gets 1."""
        return dict(self._weights)

    @weights.setter
    def weights(self, weights: Mapping[str, float]) -> None:
        tasks = self.tasks
        for name, weight in weights.items():
            if name not in tasks:
                raise ConfigError(
                    f"weights names {name!r} ({weight}), which is not a task{did_you_mean(name, tasks)} "
                    f"Tasks: {', '.join(tasks)}."
                )
            if not 0 <= weight < math.inf:
                raise ConfigError(f"the weight of task {name!r} is {weight}; it must be finite, and 0 or more")
        self._weights = {name: float(weights.get(name, 1.0)) for name in tasks}
        if tasks and not any(self._weights.values()):
            raise ConfigError(f"every task has weight 0 ({', '.join(tasks)}); give one of them a weight above 0")

    def prefer(self, preference: Mapping[str, float] | None) -> Float[Tensor, " tasks"] | None:
        """Encode a preference as `Batch.preference` carries it.

        Args:
            preference: Task weights in the unit of `weights`; only their ratios count, and a task that is not named
                has weight 0.

        Returns:
            One number a task; None for None.

        Raises:
            ConfigError: If the model has no `Preference`, or the weights break a rule of `Preference.encode`.
        """
        if preference is None:
            return None
        if self.preference is None:
            raise ConfigError(
                "the model was built without a Preference and answers by one weighting only; build it with Model(..., "
                "preference=Preference()) and train it, or leave the preference out"
            )
        return self.preference.encode(preference, self._weights)

    def prepare(self, train: Columns) -> None:
        """Let towers and tasks measure the training rows before the first step: counts, means, histories.

        Args:
            train: The training log.
        """
        for tower in (self.user, self.item):
            tower.prepare(train)
        batch = train.batch()
        for task in self.tasks.values():
            if task.has_columns(batch) and task.labelled(batch).any():  # a task of weight 0 may have no rows
                task.prepare(train)

    def check(self, log: Columns) -> None:
        """Check, before training, that the log has what the trained tasks read.

        Args:
            log: The rows to train on.

        Raises:
            DataError: If the log numbers users or items differently, or a task cannot learn from these rows; see
                `check_ids` and `check_trainable`.
        """
        self.check_ids(log)
        batch = log.batch()
        for name, task in self.tasks.items():
            if self._weights[name] > 0:
                check_trainable(task, batch)

    def check_ids(self, log: Columns) -> None:
        """Check that a log and the towers number ids alike: otherwise an id would get the vector of another.

        Args:
            log: Any rows.

        Raises:
            DataError: If a tower embeds another column, or numbers its ids differently.
        """
        batch = log.batch()
        for side, tower, key in (("user", self.user, batch.user_key), ("item", self.item, batch.item_key)):
            if tower.entities.key != key:
                raise DataError(
                    f"the {side} tower embeds {tower.entities.key!r}, and the {side}s of the log are {key!r}; build "
                    f"it from log.{side}s"
                )
            if batch.vocabs.get(key, tower.entities.vocab) != tower.entities.vocab:
                raise DataError(
                    f"the model knows {len(tower.entities) - 1:,} {side}s, and the log numbers its "
                    f"{len(batch.vocabs[key].ids):,} differently; read it with encode(...) of the log that the model "
                    "was built on"
                )

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "batch user_dim"], Float[Tensor, "batch item_dim"]]:
        """Embed the user and the item of every row.

        An id that occurs several times is embedded once, unless its tower reads context.

        Args:
            batch: Needs both id columns, and the context columns that the towers read.

        Returns:
            User vectors and item vectors.
        """
        (_, user), (_, item) = self._embed(self._separate(batch))
        return user, item

    def losses(self, batch: Batch) -> Losses:
        """The loss of each trained task, over the rows it learns from.

        In training mode a model with a `Preference` draws one for a batch that carries none, and multiplies each loss
        by the factor that it applies to the task's weight, which is 1 on average.

        Args:
            batch: Rows with labels. A task whose columns are missing from it is left out.

        Returns:
            One number for each task of positive weight, and the vectors that the tasks share.
        """
        of_items = Vectors(self.item)
        batch = replace(self._drawn(self._separate(batch)), embed={batch.item_key: of_items})
        (users, user), (items, item) = self._embed(batch)
        user_rows = None if batch.user_key in batch.apart else batch.distinct_users.rows
        of_items.add(items, None if batch.item_key in batch.apart else batch.distinct_items.rows)
        pairs = self._pairs(user, item)
        found: dict[str, Tensor] = {}
        factors = self._factors(batch)
        for name, task in self.tasks.items():
            if self._weights[name] > 0 and task.has_columns(batch):
                if name in pairs and isinstance(task, PairTask):
                    rows = task.head_loss(pairs[name], batch)
                else:
                    rows = task.loss(user, item, batch)
                found[name] = factors.get(name, 1.0) * _reduce(rows, task.training_weights(batch), task.reduction)
        return Losses(found, shared=(users, *of_items.parts), rows=(user_rows, *of_items.rows))

    def compute_loss(self, batch: Batch) -> Mapping[str, Float[Tensor, ""]] | Float[Tensor, ""]:
        """The loss that `fit` minimises; override it for an objective that tasks and weights cannot express.

        Args:
            batch: Rows with labels.

        Returns:
            Losses by name, whose sum weighted by `weights` is minimised (a name that is not a task has weight 1); or a
            single number.
        """
        return self.losses(batch)

    def weigh(self, losses: Mapping[str, Float[Tensor, ""]]) -> dict[str, Float[Tensor, ""]]:
        """Multiply each loss by its weight; a name that is not a task has weight 1.

        Args:
            losses: By name, as `losses` or `compute_loss` returns them.

        Returns:
            The weighted losses, as the balancer receives them.
        """
        return {name: self._weights.get(name, 1.0) * loss for name, loss in losses.items()}

    def total(self, losses: Mapping[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
        """The weighted sum of the losses, for a training loop of your own to minimise.

        Args:
            losses: By name.

        Returns:
            The number whose gradient trains the model, unless a balancer combines the losses otherwise.
        """
        return torch.stack(list(self.weigh(losses).values())).sum()

    def embed_users(self, batch: Batch) -> Float[Tensor, "batch user_dim"]:
        """User vectors, adjusted to the preference of the batch if it carries one.

        Args:
            batch: Needs the users' id column, and the context columns that their tower reads.

        Returns:
            One vector for each row of the batch.
        """
        vectors = widened(self.user(batch))
        return vectors if self.preference is None else self.preference(vectors, batch.preference)

    def score(self, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """Every task's score of each row's user and item, in the task's own unit.

        Args:
            batch: Needs both id columns, and the context columns that the towers read.

        Returns:
            One score a row, by task.
        """
        user, item = self(batch)
        return self.score_vectors(user, item, batch)

    def score_vectors(
        self, user: Float[Tensor, "batch user_dim"], item: Float[Tensor, "batch item_dim"], batch: Batch
    ) -> dict[str, Float[Tensor, " batch"]]:
        """As `score`, from vectors that are already computed.

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
        """Every part of one task's prediction for each row: for a funnel, the probability of each stage.

        Args:
            name: The task's name.
            batch: Needs both id columns, and the context columns that the towers read.

        Returns:
            One score a row, by part; a task with a single score has it under `""`.
        """
        user, item = self(batch)
        pairs, task = self._pairs(user, item), self.tasks[name]
        if name in pairs and isinstance(task, PairTask):
            return task.head_parts(pairs[name], batch)
        return task.parts(user, item, batch)

    def _pairs(self, user: Tensor, item: Tensor) -> dict[str, Tensor]:
        """The trunk's output for each head; empty without a trunk."""
        read = {} if self.trunk is None else self.trunk(pair(user, item, product=self.trunk.product))
        return {name: widened(vectors) for name, vectors in read.items()}

    def _drawn(self, batch: Batch) -> Batch:
        """The batch with a preference drawn for it, if the model trains with a `Preference`."""
        if self.preference is None or not self.training or batch.preference is not None:
            return batch
        return replace(batch, preference=self.preference.draw(self._weights))

    def _factors(self, batch: Batch) -> dict[str, float]:
        """The factors that the preference of a training batch applies to the weights; empty without one."""
        if self.preference is None or batch.preference is None or not self.training:
            return {}
        factors = self.preference.factors(batch.preference, self._weights)
        return dict(zip(self.preference.tasks, factors.tolist(), strict=True))

    def _separate(self, batch: Batch) -> Batch:
        """Give every row a vector of its own on a side whose tower reads context."""
        sides = ((batch.user_key, self.user), (batch.item_key, self.item))
        keys = {key for key, tower in sides if tower.context}
        return batch if keys <= batch.apart else batch.separate(*keys)

    def _embed(self, batch: Batch) -> list[tuple[Tensor, Tensor]]:
        """For users and items: the distinct vectors, and the vector of every row."""
        sides = (
            (self.embed_users, batch.user_key, batch.distinct_users),
            (self.item, batch.item_key, batch.distinct_items),
        )
        found = []
        for embed, key, distinct in sides:
            apart = key in batch.apart
            vectors = widened(embed(batch if apart else batch.entities(key, distinct.rows)))
            found.append((vectors, vectors if apart else vectors.index_select(0, distinct.index)))
        return found


def _reduce(rows: Tensor, weights: Tensor, reduction: str) -> Tensor:
    rows = widened(rows)
    weights = weights.to(rows.dtype)
    total = rows.dot(weights)
    if reduction == "sum":
        return total
    return total / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)  # 0 where no row has a label
