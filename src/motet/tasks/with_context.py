"""WithContext: a task whose head also reads numeric columns of the row.

A row may carry numbers that belong to neither the user nor the item alone, such as the price that was shown, or how
often this user viewed this item (`PairFeatures`). `WithContext` wraps a task with a head and appends such columns,
standardised, to the head's input. All else is left to the wrapped task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jaxtyping import Bool, Float
from torch import Tensor, nn

from motet.data.batch import Batch, Columns
from motet.errors import ConfigError, DataError, check_types
from motet.layers.mlp import side_by_side
from motet.layers.numbers import Standardise
from motet.layers.platt import Platt
from motet.metrics.base import Metric
from motet.tasks.pair import Inputs, PairTask
from motet.tasks.unit import Unit
from motet.towers.base import Tower


class WithContext(PairTask):
    """Wraps a task with a head, and lets the head read numeric columns of the row as well.

    The towers do not read these columns, so each user and each item keeps one vector and the catalogue can be ranked.
    The columns are standardised with the mean and deviation of the rows that the task learns from; an unknown number
    is replaced by the mean. Rows to be scored need the columns too.

    If another task trains the vectors on the events that are labels here, the vectors leak the labels to the head.
    With `vectors=False` the head reads only the columns.

    Args:
        task: A task with a head, such as `Event("bought")`, which also gives its name.
        context: Numeric columns.
        vectors: Whether the head reads its usual input, the pair of vectors or the output of a trunk, too.

    Raises:
        ConfigError: If the task is no `PairTask`, the context is no list, or there are no columns.

    Example:
        >>> from motet.tasks import Event
        >>> WithContext(Event("bought"), ["price"]).columns
        ('bought', 'price')
    """

    def __init__(self, task: PairTask, context: Sequence[str], *, vectors: bool = True) -> None:
        check_types(PairTask, task=task)
        super().__init__(task.name, needs=task.needs, where=task.where, product=task.product)
        if not context:
            raise ConfigError(f"WithContext({task.name!r}) has no columns; name at least one, or use the task itself")
        self.task = task
        self.context = tuple(context)
        self.vectors = vectors
        self.numbers = nn.ModuleList(Standardise() for _ in self.context)

    def build_head(self, width: int, user: Tower, item: Tower) -> None:
        """Create the task's head, wide enough for the columns; see `PairTask.build_head`."""
        self.task.build_head(width * self.vectors + len(self.context), user, item)

    def prepare(self, train: Columns) -> None:
        """Fit the standardisation on the task's rows, unless a previous call did, and prepare the task.

        Args:
            train: The training log.

        Raises:
            DataError: If a column holds categories, or is unknown in every row that the task learns from.
        """
        batch = train.batch()
        rows = batch.take(self.labelled(batch))
        for name, number in zip(self.context, self.numbers, strict=True):
            assert isinstance(number, Standardise)
            if name in batch.vocabs:
                raise DataError(
                    f"task {self.name!r} needs numbers in column {name!r}, which holds categories such as "
                    f"{batch.vocabs[name].ids.first()!r}; read it with a ContextTower, or declare it Numeric()"
                )
            if not number.final and len(rows) and rows[name].isnan().all():
                raise DataError(
                    f"task {self.name!r} reads the context column {name!r}, which is unknown in all of {len(rows):,} "
                    "rows that it learns from; give it values there, or leave it out of the context"
                )
            number.fit(rows[name])
        self.task.prepare(train)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the log that it reads."""
        return tuple(dict.fromkeys((*self.task.columns, *self.context)))

    def head_loss(self, inputs: Inputs, batch: Batch) -> Float[Tensor, " batch"]:
        """The task's loss of each row; see `PairTask.head_loss`."""
        return self.task.head_loss(self._with_columns(inputs, batch), batch)

    def head_score(self, inputs: Inputs, batch: Batch) -> Float[Tensor, "*batch"]:
        """The task's score of each row; see `PairTask.head_score`."""
        return self.task.head_score(self._with_columns(inputs, batch), batch)

    def head_parts(self, inputs: Inputs, batch: Batch) -> Mapping[str, Float[Tensor, "*batch"]]:
        """The parts of the task's prediction; see `PairTask.head_parts`."""
        return self.task.head_parts(self._with_columns(inputs, batch), batch)

    # The rest is the wrapped task's, whatever it overrides.

    @property
    def unit(self) -> Unit:
        """The unit of the task's score."""
        return self.task.unit

    @property
    def calibration(self) -> Platt | None:
        """The calibration of the task; see `Task.calibration`."""
        return self.task.calibration

    @property
    def judged(self) -> Mapping[str, str]:
        """The labels that the task's metrics compare with; see `Task.judged`."""
        return self.task.judged

    def metrics(self) -> Mapping[str, Metric]:
        """The metrics of the task."""
        return self.task.metrics()

    def labelled(self, batch: Batch) -> Bool[Tensor, " batch"]:
        """The rows that the task learns from; see `Task.labelled`."""
        return self.task.labelled(batch)

    def row_weights(self, batch: Batch) -> Float[Tensor, " batch"]:
        """The weight of each row in the task's metrics; see `Task.row_weights`."""
        return self.task.row_weights(batch)

    def training_weights(self, batch: Batch) -> Float[Tensor, " batch"]:
        """The weight of each row in the task's loss; see `Task.training_weights`."""
        return self.task.training_weights(batch)

    def _with_columns(self, inputs: Inputs, batch: Batch) -> Inputs:
        """The input of the task's head: `inputs` and the columns, or the columns alone."""
        absent = [name for name in self.context if name not in batch]
        if absent:
            raise DataError(
                f"task {self.name!r} reads the context column {absent[0]!r}, which these rows do not have; give each "
                f"of {', '.join(self.context)}, NaN where unknown"
            )
        columns = [number(batch[name])[..., None] for name, number in zip(self.context, self.numbers, strict=True)]
        return side_by_side(*(inputs if self.vectors else ()), *columns)
