"""Project: a declaration of data, split, model and training, from a file or in memory, and what it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl
import torch

from motet.balancers import Balancer
from motet.baselines import Baseline
from motet.calibration import calibrate
from motet.data.log import EventLog
from motet.data.recent import recent
from motet.data.schema import Schema
from motet.data.split import Split
from motet.errors import ConfigError, MotetError
from motet.evaluation import Report, evaluate
from motet.model import Model
from motet.preference import Preference
from motet.project.document import parse
from motet.project.kinds import SPLITS, offered
from motet.project.logs import join, mixed, with_features
from motet.project.part import Part
from motet.project.settings import settings
from motet.project.tables import override, read_tables, with_settings
from motet.recommender import Recommender
from motet.tasks import Task
from motet.towers import Tower
from motet.train import fit
from motet.trunks import Trunk

FEW = 256  # rows that show what a recommender refuses


@dataclass(frozen=True, eq=False)
class Divided:
    """The rows of a log by what they are for.

    Attributes:
        train: Rows to train on.
        validation: Rows to watch in training; None where the file asks for none.
        test: Rows to judge by; None where there is no split.
        report: How they were chosen.
    """

    train: EventLog
    validation: EventLog | None
    test: EventLog | None
    report: str


@dataclass(frozen=True, eq=False)
class Trained:
    """What a project makes.

    Attributes:
        model: The trained model.
        log: All rows of the data.
        rows: The same by what they were for.
        history: What `fit` returned.
        report: The evaluation on the test rows; None where there are none.
        recommender: What users get.
    """

    model: Model
    log: EventLog
    rows: Divided
    history: pl.DataFrame
    report: Report | None
    recommender: Recommender


class Project:
    """Data, split, model and training as one declaration; the same declaration gives the same model.

    Every table with a kind is the class of that name and its constructor's arguments, checked against its signature:
    what Python takes, the file takes, under the same name.

    Args:
        tables: As TOML gives them: see `Document`.
        file: Where they come from: its name stands in messages, and paths start from its folder. From the working
            folder where not given.

    Raises:
        ConfigError: If a table, a kind or a setting is unknown or missing, or a value has the wrong type. The message
            names file, table and key.

    Attributes:
        tables: As they were given.
        document: The same, with what holds where nothing is said.
        name: Of the file, or what stands for it in messages.
    """

    def __init__(self, tables: Mapping[str, Any], *, file: Path | None = None) -> None:
        self.file = file
        self.name = "the options" if file is None else file.name
        self.tables = tables
        self.document = document = parse(tables, self.name)
        self.schema = self._part(document.columns, {"Schema": Schema}, "schema")
        self.schemas = [self.schema, *(self._further(row, each.columns) for row, each in enumerate(document.mix, 1))]
        self.split = self._optional(document.split, SPLITS, "split")
        self.validation = self._optional(document.validation, SPLITS, "validation")
        self.recent = self._optional(document.recent, {"recent": recent}, "recent")
        towers = offered(Tower)
        self.user = self._part(document.towers.user, towers, "towers.user")
        self.item = self._part(document.towers.item, towers, "towers.item")
        tasks = offered(Task)
        self.tasks = [Part.of(raw, tasks, f"{self.name} [[tasks]] {row}") for row, raw in enumerate(document.tasks, 1)]
        self.trunk = self._optional(document.trunk, offered(Trunk), "trunk")
        self.balancer = self._optional(document.balancer, offered(Balancer), "balancer")
        self.preference = self._optional(document.preference, {"Preference": Preference}, "preference")
        self.training = self._part(document.training, {"fit": fit}, "training")
        self.recommend = self._part(document.recommend, {"Recommender": Recommender}, "recommend")
        rules = offered(Baseline)
        self.baselines = [
            Part.of(raw, rules, f"{self.name} [[baselines]] {row}") for row, raw in enumerate(document.baselines, 1)
        ]
        self._check_together()

    def _check_together(self) -> None:
        """Refuse a table that needs another."""
        if self._early_stopping is not None and self.validation is None:
            raise ConfigError(
                f"{self.training.place}: early_stopping needs rows to watch; add a table [validation], such as "
                'kind = "random", test = 0.1'
            )
        if self._features is not None and not self.document.mix and "time" not in self.schema.given:
            raise ConfigError(
                f"{self._features.place}: without moments a row would be told of itself; name the time of the events, "
                "[schema] time, so that each row sees what came before it, or bring the labels in a log of their own, "
                "[[mix]]"
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
            ConfigError: If there is no such file, it is no TOML, or it says what motet does not know.
        """
        path = Path(path)
        return cls(override(read_tables(path), changes), file=path)

    def changed(self, values: Mapping[str, Any]) -> Self:
        """The same project with other settings.

        Args:
            values: By `table.key`, as in `training.epochs`; tasks count from 1. None takes a setting away.

        Returns:
            Another project; this one is left alone.

        Raises:
            ConfigError: If there is no such setting, or a value has the wrong type.
        """
        return type(self)(with_settings(self.tables, values), file=self.file)

    @property
    def seed(self) -> int:
        """Where the random numbers of the model and of its training start."""
        return int(self.training.given.get("seed", 0))

    def setting(self, key: str) -> Any:
        """What holds for a setting of a tower, a task, the training, or the weights.

        Args:
            key: As `table.key`: `training.epochs`, `tasks.1.dropout`, `training.optimizer.lr`.

        Returns:
            The value as declared, else by default; None where there is no such table or setting.
        """
        if key.startswith("weights."):
            return self.document.weights.get(key.removeprefix("weights."), 1.0)
        tasks = {f"tasks.{row}": part for row, part in enumerate(self.tasks, 1)}
        parts = {"towers.user": self.user, "towers.item": self.item, "training": self.training, **tasks}
        table, _, name = key.rpartition(".")
        part: Any = parts.get(table)
        if part is None and table.rpartition(".")[0] in parts:
            part = self.setting(table)  # a part within a part
        if not isinstance(part, Part) or name not in settings(part.target):
            return None
        value = part.given.get(name, settings(part.target)[name].default)
        return list(value) if isinstance(value, tuple) else value

    def path(self, written: str) -> Path:
        """A path of the file.

        Args:
            written: As it stands there.

        Returns:
            The path, from the folder of the file.
        """
        return Path(written) if self.file is None else self.file.parent / written

    def log(self) -> EventLog:
        """Read the data.

        Returns:
            All rows; those of further logs have their number in a column `log`.

        Raises:
            DataError: If a file is not there, or does not hold what the schema says.
        """
        data = self.document.data
        users, items = (None if each is None else self.path(each) for each in (data.users, data.items))
        events = EventLog.read(self.path(data.events), self.schema.make(), users=users, items=items)
        further = zip(self.document.mix, self.schemas[1:], strict=True)
        return join(events, [events.encode(self.path(log.events), schema=schema.make()) for log, schema in further])

    def divide(self, log: EventLog) -> Divided:
        """Split the rows.

        Args:
            log: All rows.

        Returns:
            Training, validation and test rows.

        Raises:
            ConfigError: If a split does not suit the log.
        """
        train, test, validation, reports = log, None, None, []
        if self.split is not None:
            split: Split = self.split.make(log)
            (train, test), reports = split, [split.report]
        if self.validation is not None:
            split = self.validation.make(train)
            (train, validation), reports = split, [*reports, f"Validation rows: {split.report}"]
        if self.recent is not None:
            held_out = [None if part is None else self.recent.make(part, before=train) for part in (validation, test)]
            train, (validation, test) = self.recent.make(train), held_out
        if self._features is not None:
            features = self._features.make(log=train)
            held_out = [None if part is None else with_features(part, features) for part in (validation, test)]
            train, (validation, test) = with_features(train, features), held_out
        return Divided(train, validation, test, " ".join(reports))

    def model(self, train: EventLog) -> Model:
        """Make the model.

        Args:
            train: The rows it will be trained on.

        Returns:
            The model, untrained; its first weights are drawn from the seed of the training.

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

    def fit(
        self,
        model: Model,
        train: EventLog,
        *,
        validation: EventLog | None = None,
        progress: bool = False,
        **changes: Any,
    ) -> pl.DataFrame:
        """Train as the file says, batches of further logs mixed in.

        Args:
            model: Made by `model`.
            train: The rows to train on.
            validation: Rows to watch.
            progress: Whether to show a progress bar on stderr.
            **changes: Arguments of `fit` that stand above those of the file.

        Returns:
            What `fit` returns.

        Raises:
            MotetError: If training breaks a rule.
        """
        schemas = [schema.make() for schema in self.schemas]
        rows = mixed(train, model, schemas, [log.ratio for log in self.document.mix])
        history: pl.DataFrame = self.training.make(model, rows, validation=validation, progress=progress, **changes)
        return history

    def learn(self, model: Model, rows: Divided, *, progress: bool = False, **changes: Any) -> pl.DataFrame:
        """Train as the file says, and calibrate probabilities: what is judged by the test rows and served.

        Args:
            model: Made by `model`.
            rows: To train on; to watch and to calibrate on, where there are validation rows.
            progress: Whether to show a progress bar on stderr.
            **changes: Arguments of `fit` that stand above those of the file.

        Returns:
            What `fit` returns.

        Raises:
            MotetError: If training breaks a rule.
        """
        history = self.fit(model, rows.train, validation=rows.validation, progress=progress, **changes)
        if rows.validation is not None:
            calibrate(model, rows.validation)
        return history

    def train(self, *, progress: bool = True) -> Trained:
        """Read, split, train, calibrate on the validation rows if there are any, and evaluate on the test rows.

        Args:
            progress: Whether to show a progress bar on stderr.

        Returns:
            The model and what was found.

        Raises:
            MotetError: If data, model or training breaks a rule.
        """
        log = self.log()
        rows = self.divide(log)
        model = self.model(rows.train)
        self.product(model, rows.train.take(slice(0, FEW)))  # what it refuses is refused before training
        history = self.learn(model, rows, progress=progress, **self._checkpoint())
        recommender, report = self.product(model, rows.train), None
        if rows.test is not None:
            about = f"{rows.report} Training seed {self.seed}."
            report = evaluate(recommender, rows.test, train=rows.train, about=about)
        return Trained(model, log, rows, history, report, recommender)

    def product(self, model: Model, train: EventLog) -> Recommender:
        """What users get of a model, as the file says.

        Args:
            model: Trained; one that is not answers at random.
            train: The rows it was trained on.

        Returns:
            The recommender.

        Raises:
            MotetError: If the file asks for what the model does not have, or a task reads what no request has.
        """
        recommender: Recommender = self.recommend.make(model, train, log=train)
        return recommender

    @property
    def _early_stopping(self) -> Part | None:
        return self.training.given.get("early_stopping")

    @property
    def _features(self) -> Part | None:
        """What is counted of a user with an item."""
        part = self.recommend.given.get("context")
        return part if isinstance(part, Part) else None

    def _checkpoint(self) -> dict[str, Any]:
        written = self.training.given.get("checkpoint")
        return {} if written is None else {"checkpoint": self.path(written)}

    def _further(self, row: int, columns: Mapping[str, Any]) -> Part:
        """Which column is what in a further log: ids and time as in the events."""
        shared = {name: self.schema.given[name] for name in ("user", "item", "time") if name in self.schema.given}
        return Part.of({**shared, **columns}, {"Schema": Schema}, f"{self.name} [[mix]] {row}, schema")

    def _part(self, raw: Any, kinds: Mapping[str, Callable[..., Any]], table: str) -> Part:
        return Part.of(raw, kinds, f"{self.name} [{table}]")

    def _optional(self, raw: Any, kinds: Mapping[str, Callable[..., Any]], table: str) -> Part | None:
        return None if raw is None else self._part(raw, kinds, table)
