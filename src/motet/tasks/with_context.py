"""WithContext: a task whose head also reads numbers of the row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from motet.data.batch import Batch, Columns
from motet.errors import ConfigError, DataError
from motet.layers.numbers import Standardise
from motet.layers.platt import Platt
from motet.metrics.base import Metric
from motet.tasks.base import PairTask
from motet.tasks.unit import Unit
from motet.towers.base import Tower


class WithContext(PairTask):
    """A task whose head also reads numeric columns of the row, such as the price that was shown, or counts.

    The towers do not see these columns, so each user and each item keeps one vector and the catalogue can be ranked.
    Numbers are standardised on the rows that the task learns from; unknown ones are replaced by the mean. Rows to be
    scored need the columns too.

    If another task trains the vectors on the very events that are labels here, the vectors contain these labels, and a
    head that reads them learns to look the answer up. With `vectors=False` it reads only the columns.

    Args:
        task: Any task with a head, such as `Event("bought")`; its name is the name of this one.
        context: Numeric columns.
        vectors: Whether the head also reads the pair of vectors, or the output of a trunk.

    Raises:
        ConfigError: If there are no columns.

    Example:
        >>> from motet.tasks import Event
        >>> WithContext(Event("bought"), ["price"]).columns
        ('bought', 'price')
    """

    def __init__(self, task: PairTask, context: Sequence[str], *, vectors: bool = True) -> None:
        super().__init__(task.name, needs=task.needs, where=task.where, product=task.product)
        if not context:
            raise ConfigError(f"WithContext({task.name!r}) has no columns; name at least one, or use the task itself")
        self.task = task
        self.context = tuple(context)
        self.vectors = vectors
        self.numbers = nn.ModuleList(Standardise() for _ in self.context)

    def build_head(self, width: int, user: Tower, item: Tower) -> None:
        """Make the head of the task, wide enough for the columns; see `PairTask.build_head`."""
        self.task.build_head(width * self.vectors + len(self.context), user, item)

    def prepare(self, train: Columns) -> None:
        """Measure the columns on the task's rows, and prepare the task; only the first call measures.

        Args:
            train: The training log.

        Raises:
            DataError: If a column holds categories, or is unknown in every row that the task learns from.
        """
        batch = train.batch()
        for name in self.context:
            if name in batch.vocabs:
                raise DataError(
                    f"task {self.name!r} needs numbers in column {name!r}, which holds categories such as "
                    f"{batch.vocabs[name].ids.first()!r}; read it with a ContextTower, or declare it Numeric()"
                )
        rows = batch.take(self.labelled(batch))
        for name, number in zip(self.context, self.numbers, strict=True):
            assert isinstance(number, Standardise)
            if not number.final and len(rows) and rows[name].isnan().all():
                raise DataError(
                    f"task {self.name!r} reads the context column {name!r}, which is unknown in all of {len(rows):,} "
                    "rows that it learns from; give it values there, or leave it out of the context"
                )
            number.fit(rows[name])
        self.task.prepare(train)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the log it reads."""
        return tuple(dict.fromkeys((*self.task.columns, *self.context)))

    @property
    def unit(self) -> Unit:
        """The unit of the task."""
        return self.task.unit

    @property
    def calibration(self) -> Platt | None:
        """The calibration of the task; see `Task.calibration`."""
        return self.task.calibration

    @property
    def judged(self) -> Mapping[str, str]:
        """What the task's metrics compare with; see `Task.judged`."""
        return self.task.judged

    def metrics(self) -> Mapping[str, Metric]:
        """The metrics of the task."""
        return self.task.metrics()

    def labelled(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """The rows that the task learns from; see `Task.labelled`."""
        return self.task.labelled(batch)

    def training_weights(self, batch: Batch) -> Float[Tensor, " batch"]:
        """The weight of each row in the task's loss; see `Task.training_weights`."""
        return self.task.training_weights(batch)

    def head_loss(self, pairs: Float[Tensor, "batch width"], batch: Batch) -> Float[Tensor, " batch"]:
        """The task's loss of each row; see `PairTask.head_loss`."""
        return self.task.head_loss(self._beside(pairs, batch), batch)

    def head_score(self, pairs: Float[Tensor, "batch width"], batch: Batch) -> Float[Tensor, " batch"]:
        """The task's score of each row; see `PairTask.head_score`."""
        return self.task.head_score(self._beside(pairs, batch), batch)

    def head_parts(self, pairs: Float[Tensor, "batch width"], batch: Batch) -> Mapping[str, Float[Tensor, " batch"]]:
        """The parts of the task's score; see `PairTask.head_parts`."""
        return self.task.head_parts(self._beside(pairs, batch), batch)

    def _beside(self, pairs: Tensor, batch: Batch) -> Float[Tensor, "batch wider"]:
        """The pairs and the columns, or the columns alone."""
        absent = [name for name in self.context if name not in batch]
        if absent:
            raise DataError(
                f"task {self.name!r} reads the context column {absent[0]!r}, which these rows do not have; give each "
                f"of {', '.join(self.context)}, NaN where unknown"
            )
        columns = [number(batch[name])[:, None] for name, number in zip(self.context, self.numbers, strict=True)]
        return torch.cat([pairs, *columns] if self.vectors else columns, 1)
