"""Project: data, split, model and training, declared in a file or in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import polars as pl
import torch

from motet.balancers import Balancer
from motet.baselines import Baseline
from motet.calibration import calibrate
from motet.data.lists import sample_lists
from motet.data.log import EventLog
from motet.data.masked_pairs import masked_pairs
from motet.data.mix import Mix
from motet.data.recent import recent, sessions
from motet.data.schema import Schema
from motet.errors import ConfigError, MotetError
from motet.evaluation import evaluate
from motet.model import Model
from motet.preference import Preference
from motet.project.document import Made, parse
from motet.project.kinds import SPLITS, offered
from motet.project.logs import join, mixed
from motet.project.part import Part
from motet.project.rows import Divided
from motet.project.settings import settings
from motet.project.tables import override, read_tables, with_settings
from motet.project.trained import Trained
from motet.recommender import Recommender
from motet.tasks import Task
from motet.towers import Tower
from motet.train import fit
from motet.trunks import Trunk

Kinds = Mapping[str, Callable[..., Any]]
FEW = 256  # rows on which a recommender is tried before training


class Project:
    """Data, split, model and training in one declaration; the same declaration gives the same model.

    A table with a kind stands for the class of that name, and its keys for the constructor's arguments. They are
    checked against its signature, so a file takes what Python takes, under the same names.

    Args:
        tables: Parsed TOML: see `Document`.
        file: The file they were read from. Error messages name it, and paths are relative to its folder; without it,
            to the working directory.

    Raises:
        ConfigError: If a table, a kind or a setting is unknown or missing, or a value has the wrong type. The message
            names file, table and key.

    Attributes:
        tables: The tables as given.
        document: The tables with their defaults.
        name: Name of the file, or what stands for it in error messages.
    """

    def __init__(self, tables: Mapping[str, Any], *, file: Path | None = None) -> None:
        self.file = file
        self.name = "the options" if file is None else file.name
        self.tables = tables
        self.document = document = parse(tables, self.name)
        self.schema = self._part(document.columns, {"Schema": Schema}, "schema")
        self.schemas = [self.schema, *(self._further(row, each.columns) for row, each in enumerate(document.mix, 1))]
        self.pairs = self._made(document.pairs, {"masked_pairs": masked_pairs}, "pairs")
        self.lists = self._made(document.lists, {"sample_lists": sample_lists}, "lists")
        self.split = self._optional(document.split, SPLITS, "split")
        self.validation = self._optional(document.validation, SPLITS, "validation")
        self.sessions = self._optional(document.sessions, {"sessions": sessions}, "sessions")
        self.recent = self._optional(document.recent, {"recent": recent}, "recent")
        towers = offered(Tower)
        self.user = self._part(document.towers.user, towers, "towers.user")
        self.item = self._part(document.towers.item, towers, "towers.item")
        for side, written in document.towers.files().items():
            getattr(self, side).given["vectors"] = str(self.path(written))
        self.tasks = self._several(document.tasks, offered(Task), "tasks")
        self.trunk = self._optional(document.trunk, offered(Trunk), "trunk")
        self.balancer = self._optional(document.balancer, offered(Balancer), "balancer")
        self.preference = self._optional(document.preference, {"Preference": Preference}, "preference")
        self.training = self._part(document.training, {"fit": fit}, "training")
        place = f"{self.name} [recommend]" if document.recommend else self.name  # no table, no fault of it
        self.recommend = Part.of(document.recommend, {"Recommender": Recommender}, place)
        self.baselines = self._several(document.baselines, offered(Baseline), "baselines")
        self._check_together()

    def _check_together(self) -> None:
        """Refuse a table that needs another, and a seed that no generator takes."""
        if not -(2**63) <= self.seed < 2**64:
            raise ConfigError(f"{self.training.place}: seed = {self.seed}; it must be a number of at most 64 bits")
        if self._early_stopping is not None and self.validation is None:
            raise ConfigError(
                f"{self.training.place}: early_stopping needs validation rows; add a table [validation], such as "
                'kind = "random", test = 0.1'
            )
        if self.pairs is not None and self._features is None:
            raise ConfigError(
                f"{self.pairs.place}: the features of pairs are those that requests have; write context = {{}} in the "
                "table [recommend], which counts the events of a user with an item by type"
            )
        if self._features is not None and "time" not in self.schema.given and not (self.document.mix or self.pairs):
            raise ConfigError(
                f"{self._features.place}: the counts of a row would include the row itself; declare the time of the "
                "events, [schema] time, so that only earlier rows are counted, put the labels into a log of their own, "
                "[[mix]], or make them from the log, [pairs]"
            )

    @classmethod
    def read(cls, path: str | Path, changes: Sequence[str] = ()) -> Self:
        """Read a project file.

        Args:
            path: A TOML file.
            changes: Settings to change, each as `table.key=value`: `training.epochs=3`, `tasks.1.dropout=.2`.

        Returns:
            The project.

        Raises:
            ConfigError: If there is no such file, it is not valid TOML, or a table or setting is wrong.
        """
        path = Path(path)
        return cls(override(read_tables(path), changes), file=path)

    def changed(self, values: Mapping[str, Any]) -> Self:
        """The same project with other settings.

        Args:
            values: By `table.key`, as in `training.epochs`; tasks count from 1. None removes a setting.

        Returns:
            A new project; this one is not modified.

        Raises:
            ConfigError: If there is no such setting, or a value has the wrong type.
        """
        return type(self)(with_settings(self.tables, values), file=self.file)

    @property
    def seed(self) -> int:
        """The seed of the initial weights and of the training."""
        return int(self.training.given.get("seed", 0))

    def setting(self, key: str) -> Any:
        """The value of a setting of a tower, a task, the training, or the weights.

        Args:
            key: As `table.key`: `training.epochs`, `tasks.1.dropout`, `training.optimizer.lr`.

        Returns:
            The declared value, or the default; None if there is no such table or setting.
        """
        if key.startswith("weights."):
            return self.document.weights.get(key.removeprefix("weights."), 1.0)
        tasks = {f"tasks.{row}": part for row, part in enumerate(self.tasks, 1)}
        parts = {"towers.user": self.user, "towers.item": self.item, "training": self.training, **tasks}
        table, _, name = key.rpartition(".")
        part: Any = parts.get(table)
        if part is None and table.rpartition(".")[0] in parts:
            part = self.setting(table)  # a part inside a part
        if not isinstance(part, Part) or name not in settings(part.target):
            return None
        value = part.given.get(name, settings(part.target)[name].default)
        return list(value) if isinstance(value, tuple) else value

    def path(self, written: str) -> Path:
        """Resolve a path of the file.

        Args:
            written: The path as written.

        Returns:
            The path, relative to the folder of the file.
        """
        return Path(written) if self.file is None else self.file.parent / written

    def log(self) -> EventLog:
        """Read the data.

        Returns:
            All rows, with their sessions if the file declares any. With further logs, a column `log` holds the number
            of each row's log.

        Raises:
            DataError: If a file is missing, or does not match the schema.
        """
        data = self.document.data
        users, items = (None if each is None else self.path(each) for each in (data.users, data.items))
        events = EventLog.read(self.path(data.events), self.schema.make(), users=users, items=items)
        further = zip(self.document.mix, self.schemas[1:], strict=True)
        log = join(events, [events.encode(self.path(log.events), schema=schema.make()) for log, schema in further])
        return log if self.sessions is None else self.sessions.make(log)

    def divide(self, log: EventLog) -> Divided:
        """Split the rows, and make pairs and lists from the training rows if the file declares any.

        Args:
            log: All rows.

        Returns:
            Training, validation and test rows.

        Raises:
            MotetError: If a split or the pairs do not suit the log.
        """
        rows = Divided.of(log, split=self.split, validation=self.validation, recent=self.recent)
        if self._features is not None:
            rows = rows.counted(self._features)
            rows = rows if self.pairs is None else rows.paired(self.pairs, self._features)
        return rows if self.lists is None else rows.listed(self.lists)

    def model(self, train: EventLog) -> Model:
        """Build the model.

        Args:
            train: The training rows.

        Returns:
            The untrained model; its initial weights depend on the seed of the training.

        Raises:
            MotetError: If a part refuses its arguments, the parts do not fit together, or early stopping watches a
                metric that the model does not have.
        """
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            parts = {
                "user": self.user.make(train.users, log=train),
                "item": self.item.make(train.items, log=train),
                "tasks": [task.make(log=train) for task in self.tasks],
                "trunk": None if self.trunk is None else self.trunk.make(log=train),
                "balancer": None if self.balancer is None else self.balancer.make(log=train),
                "preference": None if self.preference is None else self.preference.make(log=train),
            }
            try:
                model = Model(**parts, weights=self.document.weights)
                if self._early_stopping is not None:
                    self._early_stopping.make().check(model)
                return model
            except MotetError as error:
                raise type(error)(str(error) if self.file is None else f"{self.name}: {error}") from error

    def mix(self, model: Model, rows: Divided) -> EventLog | Mix:
        """What `fit` draws batches from: the training rows, log by log, the pairs and the lists.

        Args:
            model: Built by `model`.
            rows: The rows.

        Returns:
            A mix; a single log if there is only one, or only one that a task learns from.
        """
        declared = [*self.document.mix, self.document.pairs, self.document.lists]
        ratio = [each.ratio for each in declared if each is not None]
        return mixed(rows.train, model, [schema.make() for schema in self.schemas], ratio, made=rows.made)

    def fit(
        self,
        model: Model,
        rows: Divided,
        *,
        validation: EventLog | None = None,
        progress: bool = False,
        **changes: Any,
    ) -> pl.DataFrame:
        """Train as declared, with batches of further logs, of pairs and of lists mixed in.

        Args:
            model: Built by `model`.
            rows: The rows; those of `validation` are the only ones to evaluate on.
            validation: Rows to evaluate on after each epoch.
            progress: Whether to show a progress bar on stderr.
            **changes: Arguments of `fit` that override those of the file.

        Returns:
            What `fit` returns.

        Raises:
            MotetError: If training breaks a rule.
        """
        train = self.mix(model, rows)
        history: pl.DataFrame = self.training.make(model, train, validation=validation, progress=progress, **changes)
        return history

    def learn(self, model: Model, rows: Divided, *, progress: bool = False, **changes: Any) -> pl.DataFrame:
        """Train as declared, and calibrate probabilities: the model that is evaluated on the test rows and served.

        Args:
            model: Built by `model`.
            rows: The rows. Validation rows, if there are any, serve for early stopping and calibration.
            progress: Whether to show a progress bar on stderr.
            **changes: Arguments of `fit` that override those of the file.

        Returns:
            What `fit` returns.

        Raises:
            MotetError: If training breaks a rule.
        """
        history = self.fit(model, rows, validation=rows.validation, progress=progress, **changes)
        if rows.validation is not None:
            calibrate(model, rows.validation)
        return history

    def train(self, *, progress: bool = True) -> Trained:
        """Read, split, train, calibrate on the validation rows if there are any, and evaluate on the test rows.

        Args:
            progress: Whether to show a progress bar on stderr.

        Returns:
            The model and its evaluation.

        Raises:
            MotetError: If data, model or training breaks a rule.
        """
        log = self.log()
        rows = self.divide(log)
        model = self.model(rows.train)
        self.product(model, rows.train.take(slice(0, FEW)))  # raises its errors before training
        history = self.learn(model, rows, progress=progress, **self._checkpoint())
        recommender, report = self.product(model, rows.train), None
        if rows.test is not None:
            about = f"{rows.report} Training seed {self.seed}."
            report = evaluate(recommender, rows.test, train=rows.train, about=about)
        return Trained(model, log, rows, history, report, recommender)

    def product(self, model: Model, train: EventLog) -> Recommender:
        """Make the recommender that the file declares.

        Args:
            model: The trained model; an untrained one answers at random.
            train: The rows it was trained on.

        Returns:
            The recommender.

        Raises:
            MotetError: If `[recommend]` names something the model does not have, or a task reads a column that
                requests do not have.
        """
        recommender: Recommender = self.recommend.make(model, train, log=train)
        return recommender

    @property
    def _early_stopping(self) -> Part | None:
        return self.training.given.get("early_stopping")

    @property
    def _features(self) -> Part | None:
        """The declared counts of a user with an item."""
        part = self.recommend.given.get("context")
        return part if isinstance(part, Part) else None

    def _checkpoint(self) -> dict[str, Any]:
        written = self.training.given.get("checkpoint")
        return {} if written is None else {"checkpoint": self.path(written)}

    def _further(self, row: int, columns: Mapping[str, Any]) -> Part:
        """The schema of a further log; ids and time default to those of the events."""
        shared = {name: self.schema.given[name] for name in ("user", "item", "time") if name in self.schema.given}
        return Part.of({**shared, **columns}, {"Schema": Schema}, f"{self.name} [[mix]] {row}, schema")

    def _part(self, raw: Any, kinds: Kinds, table: str, *, beside: Sequence[str] = ()) -> Part:
        return Part.of(raw, kinds, f"{self.name} [{table}]", beside=beside)

    def _optional(self, raw: Any, kinds: Kinds, table: str) -> Part | None:
        return None if raw is None else self._part(raw, kinds, table)

    def _several(self, raw: Sequence[Any], kinds: Kinds, table: str) -> list[Part]:
        return [Part.of(each, kinds, f"{self.name} [[{table}]] {row}") for row, each in enumerate(raw, 1)]

    def _made(self, written: Made | None, kinds: Kinds, table: str) -> Part | None:
        return None if written is None else self._part(written.model_extra, kinds, table, beside=("ratio",))
