"""Model: a user tower, an item tower, and tasks that read the vectors of both.

In a training step the towers embed each distinct user and item of a batch once, every task computes a loss per row from
these vectors, and the mean over a task's rows, times its weight, is its part of the objective. Tasks with a head read
the vectors through the trunk, if there is one. For a prediction each task computes scores in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motet.arguments import checked
from motet.balancers.base import Balancer
from motet.balancers.fixed import Fixed
from motet.balancers.losses import Losses
from motet.data.batch import Batch, Columns
from motet.errors import ConfigError, check_types
from motet.layers.precision import widened
from motet.preference import Preference
from motet.tasks.base import Task, check_names
from motet.tasks.pair import Inputs, PairTask, pair_vectors, pair_width
from motet.tasks.trainable import check_trainable
from motet.tasks.weights import loss_weights
from motet.towers.base import Tower, check_ids
from motet.towers.vectors import Vectors
from motet.trunks.base import Trunk


@checked
class Model(nn.Module):
    r"""Two towers, the tasks that are trained on their vectors, and optionally a trunk that the tasks' heads share.

    $$ L = \sum_t w_t \, L_t $$

    It is an ordinary `nn.Module`. Override `compute_loss` for an objective that tasks and weights cannot express.

    Args:
        user: Embeds users.
        item: Embeds items.
        tasks: The objectives, each with a different name.
        weights: The weight of each task's loss, by name; the default is 1. A task of weight 0 is not trained.
        trunk: Layers that the heads of all `PairTask`s share. Without one, each head reads the pair of vectors itself.
        balancer: Turns the weighted losses into gradients; by default it adds them up (`Fixed`).
        preference: Trains one model for every weighting around `weights`. Without one, the model is trained for
            `weights` alone.

    Raises:
        ConfigError: If a part is of a wrong type; two tasks have the same name; a weight is negative, not finite or not
            that of a task; all weights are 0; or there is a trunk and no task reads it.

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
        check_types(Tower, user=user, item=item)
        check_types(list | tuple, "write a list, such as tasks=[Rating(), Retrieval()]", tasks=tasks)
        check_types(Task, **{f"tasks[{number}]": task for number, task in enumerate(tasks)})
        check_types(Trunk | None, trunk=trunk)
        check_types(Balancer | None, balancer=balancer)
        check_types(Preference | None, preference=preference)
        check_names(tasks)
        self.user = user
        self.item = item
        self._tasks = nn.ModuleList(tasks)
        self.weights = weights or {}
        self.trunk = trunk
        self.balancer = Fixed() if balancer is None else balancer
        self.preference = preference
        self._build(tasks)

    def _build(self, tasks: Sequence[Task]) -> None:
        """Create the parameters whose shapes depend on the towers and the tasks."""
        names = [task.name for task in tasks]
        self.balancer.build(names)
        if self.trunk is not None:
            heads = [task.name for task in tasks if isinstance(task, PairTask)]
            if not heads:
                raise ConfigError(
                    "no task reads the trunk; add a task with a head, such as Rating, or leave the trunk out"
                )
            self.trunk.build(pair_width(self.user, self.item, product=self.trunk.product, of="the trunk"), heads)
        for task in tasks:
            if self.trunk is not None and isinstance(task, PairTask):
                task.build_head(self.trunk.out_dim, self.user, self.item)
            else:
                task.build(self.user, self.item)
        if self.preference is not None:
            self.preference.build(names, self.user.dim)

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks by name, in the order of the constructor."""
        return {task.name: task for task in self._tasks if isinstance(task, Task)}

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each task's loss. Assign a mapping to change them; a task that it does not name gets 1."""
        return dict(self._weights)

    @weights.setter
    def weights(self, weights: Mapping[str, float]) -> None:
        self._weights = loss_weights(weights, self.tasks)

    def prefer(self, preference: Mapping[str, float] | None) -> Float[Tensor, " tasks"] | None:
        """Encode a preference as `Batch.preference` carries it.

        Args:
            preference: Task weights on the scale of `weights`, 0 for a task that is not named. Only their ratios count.

        Returns:
            One number per task; None for None.

        Raises:
            ConfigError: If the model has no `Preference`, or the weights are invalid; see `Preference.encode`.
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
        """Let towers and tasks collect statistics of the training rows before the first step.

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
        """Check, before training, that the trained tasks can learn from a log.

        Args:
            log: The rows to train on.

        Raises:
            DataError: If the log numbers users or items differently (see `check_ids`), or a task cannot learn from
                these rows (see `check_trainable`).
        """
        self.check_ids(log)
        batch = log.batch()
        for name, task in self.tasks.items():
            if self._weights[name] > 0:
                check_trainable(task, batch)

    def check_ids(self, log: Columns) -> None:
        """Check that the log and the towers number ids alike: otherwise an id would get the vector of another id.

        Args:
            log: Any rows.

        Raises:
            DataError: If a tower embeds a column of another name, or numbers its ids differently.
        """
        batch = log.batch()
        check_ids(self.user, "user", batch.user_key, batch.vocabs)
        check_ids(self.item, "item", batch.item_key, batch.vocabs)

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "batch user_dim"], Float[Tensor, "batch item_dim"]]:
        """Embed the user and the item of every row.

        An id that occurs in several rows is embedded once, unless its tower reads context.

        Args:
            batch: Needs both id columns, and the context columns that the towers read.

        Returns:
            User vectors and item vectors, one of each per row.
        """
        (_, user), (_, item) = self._embed(self._separate(batch))
        return user, item

    def losses(self, batch: Batch) -> Losses:
        """The loss of each trained task over the rows that it learns from, before its weight.

        In training mode, a model with a `Preference` draws one for a batch that has none. It multiplies each loss by
        the factor that the preference applies to the task's weight, which is 1 on average.

        Args:
            batch: Rows with labels. A task whose columns are not in it is left out.

        Returns:
            One scalar for each task of positive weight, and the vectors that the tasks share.
        """
        item_vectors = Vectors(self.item)
        batch = replace(self._with_preference(self._separate(batch)), embed={batch.item_key: item_vectors})
        (users, user), (items, item) = self._embed(batch)
        user_rows = None if batch.user_key in batch.apart else batch.distinct_users.rows
        item_vectors.add(items, None if batch.item_key in batch.apart else batch.distinct_items.rows)
        outputs, factors = self._trunk_outputs(user, item), self._factors(batch)
        losses: dict[str, Tensor] = {}
        for name, task in self.tasks.items():
            if self._weights[name] > 0 and task.has_columns(batch):
                if name in outputs and isinstance(task, PairTask):
                    rows = task.head_loss(outputs[name], batch)
                else:
                    rows = task.loss(user, item, batch)
                losses[name] = factors.get(name, 1.0) * task.reduce(rows, batch)
        return Losses(losses, shared=(users, *item_vectors.parts), rows=(user_rows, *item_vectors.rows))

    def compute_loss(self, batch: Batch) -> Mapping[str, Float[Tensor, ""]] | Float[Tensor, ""]:
        """The loss that `fit` minimises; override it for an objective that tasks and weights cannot express.

        Args:
            batch: Rows with labels.

        Returns:
            Losses by name, of which `fit` minimises the sum weighted by `weights` (a name that is not a task has
            weight 1); or a single number.
        """
        return self.losses(batch)

    def weigh(self, losses: Mapping[str, Float[Tensor, ""]]) -> dict[str, Float[Tensor, ""]]:
        """Multiply each loss by its weight; a name that is not a task has weight 1.

        Args:
            losses: Losses by name, from `losses` or `compute_loss`.

        Returns:
            The weighted losses, which the balancer receives.
        """
        return {name: self._weights.get(name, 1.0) * loss for name, loss in losses.items()}

    def total(self, losses: Mapping[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
        """The weighted sum of the losses: what to minimise in your own training loop.

        Args:
            losses: Losses by name.

        Returns:
            A scalar. Its gradient trains the model, unless a balancer combines the losses in another way.
        """
        return torch.stack(list(self.weigh(losses).values())).sum()

    def embed_users(self, batch: Batch) -> Float[Tensor, "batch user_dim"]:
        """User vectors, adjusted to the preference of the batch if it has one.

        Args:
            batch: Needs the user id column, and the context columns that the user tower reads.

        Returns:
            One vector per row.
        """
        vectors = widened(self.user(batch))
        return vectors if self.preference is None else self.preference(vectors, batch.preference)

    def score(self, batch: Batch) -> dict[str, Float[Tensor, " batch"]]:
        """Every task's score for the user and item of each row, in the task's own unit.

        Args:
            batch: Needs both id columns, and the context columns that the towers read.

        Returns:
            One score per row, by task.
        """
        user, item = self(batch)
        return self.score_vectors(user, item, batch)

    def score_vectors(
        self, user: Float[Tensor, "... user_dim"], item: Float[Tensor, "*batch item_dim"], batch: Batch
    ) -> dict[str, Float[Tensor, "*batch"]]:
        """Compute the scores of `score` from vectors that the towers have already computed.

        Users and items broadcast: see `Task.score`.

        Args:
            user: User vectors.
            item: Item vectors.
            batch: The rows of the vectors.

        Returns:
            One score per row, by task.
        """
        outputs = self._trunk_outputs(user, item)
        return {
            name: task.head_score(outputs[name], batch)
            if name in outputs and isinstance(task, PairTask)
            else task.score(user, item, batch)
            for name, task in self.tasks.items()
        }

    def score_parts(self, name: str, batch: Batch) -> Mapping[str, Float[Tensor, " batch"]]:
        """Every part of one task's prediction: for a funnel, the probability of each stage.

        Args:
            name: The task's name.
            batch: Needs both id columns, and the context columns that the towers read.

        Returns:
            One score per row, by part; a task with a single score has the part `""`.
        """
        user, item = self(batch)
        outputs, task = self._trunk_outputs(user, item), self.tasks[name]
        if name in outputs and isinstance(task, PairTask):
            return task.head_parts(outputs[name], batch)
        return task.parts(user, item, batch)

    def _trunk_outputs(self, user: Tensor, item: Tensor) -> dict[str, Inputs]:
        """What each head reads instead of the pair of vectors; empty without a trunk."""
        if self.trunk is None:
            return {}
        shape = item.shape[:-1]  # a trunk reads one row per pair
        repeated = user if user.shape[:-1] == shape else user.expand(*shape, -1)
        (pairs,) = pair_vectors(repeated, item, product=self.trunk.product)
        outputs = self.trunk(pairs.flatten(0, -2))
        return {name: [widened(output).unflatten(0, shape)] for name, output in outputs.items()}

    def _with_preference(self, batch: Batch) -> Batch:
        """Draw a preference for a training batch that has none, if the model has a `Preference`."""
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
        """For users, then items: the vectors of the distinct entities, and the vector of every row."""
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
