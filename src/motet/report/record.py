"""Record: how a saved model was trained and how good it is, kept beside its weights as `run.json`."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import polars as pl
import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from motet import __version__
from motet.artifact.saved import RUN
from motet.compare.comparison import SERVED, Estimate, Figure, Outcome, outcome
from motet.compare.objective import headlines
from motet.data.log import EventLog
from motet.errors import ArtifactError, DataError
from motet.evaluation import Report
from motet.evaluation.evidence import Evidence
from motet.evaluation.intervals import Interval
from motet.evaluation.slices import FAMILIES, masks
from motet.model import Model
from motet.project import Divided, Project, Trained

FORMAT = 1  # raised when an older motet could misread what is written
LEVEL = 0.95  # of every interval


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Rows(_Kept):
    """Size of a log.

    Attributes:
        events: Number of rows.
        users: Users with at least one row.
        items: Items with at least one row.
    """

    events: int
    users: int
    items: int

    @classmethod
    def of(cls, log: EventLog) -> Self:
        """Count.

        Args:
            log: The rows.

        Returns:
            The counts.
        """
        users, items = (log.columns[side.key].unique() for side in (log.users, log.items))
        return cls(events=len(log), users=int((users > 0).sum()), items=int((items > 0).sum()))


class Lead(_Kept):
    """A task's headline metric compared with another system, on the same samples of users.

    Attributes:
        system: The other system.
        task: The task.
        key: Key of the metric.
        difference: The model's value minus that of the other system.
        outcome: `undecided` if the interval of the difference contains 0, else whether the model is better.
    """

    system: str
    task: str
    key: str
    difference: Estimate
    outcome: Outcome


class Slice(_Kept):
    """A metric on some of the test rows.

    Attributes:
        figure: Its value and interval.
        rows: Number of rows.
        users: Number of users.
        beside: Values of simple rules on the same rows.
    """

    figure: Estimate
    rows: int
    users: int
    beside: dict[str, Figure] = {}


class Record(_Kept):
    """How a model was trained, and how good it is.

    Attributes:
        name: Name of the project.
        tables: The project as declared; empty if the model was trained without a project file.
        versions: Versions of motet, torch and python.
        seed: Seed of the training.
        about: How the rows were split.
        rows: Size of `train`, `validation` and `test`.
        parts: Classes of the towers, trunk and balancer; the spread of the preference, if there is one.
        tasks: Class of each task.
        weights: Weight of each task's loss.
        history: What `fit` returned, one object for each epoch.
        headlines: Key of the headline metric of each task that is trained, of each stage of a funnel, and of the lists
            that users get.
        figures: Metrics on the test rows, with their intervals.
        beside: The same metrics of simple rules and other systems, by name.
        leads: The headline metrics compared with those of each other system.
        slices: The headline metrics on some of the test rows, by `family: slice`.
        curves: Reliability curves, as `Report.to_dict` gives them.
        notes: How the metrics were measured.
        warnings: Reasons to doubt the metrics.
        level: Confidence level of the intervals.
        format: Version of this document's format.
    """

    name: str
    tables: dict[str, Any] = {}
    versions: dict[str, str]
    seed: int
    about: str
    rows: dict[str, Rows]
    parts: dict[str, str]
    tasks: dict[str, str]
    weights: dict[str, float]
    history: list[dict[str, Figure]]
    headlines: dict[str, str] = {}
    figures: dict[str, Estimate] = {}
    beside: dict[str, dict[str, Estimate]] = {}
    leads: list[Lead] = []
    slices: dict[str, dict[str, Slice]] = {}
    curves: dict[str, Any] = {}
    notes: list[str] = []
    warnings: list[str] = []
    level: float = LEVEL
    format: int = FORMAT

    @classmethod
    def of(
        cls,
        model: Model,
        rows: Divided,
        history: pl.DataFrame,
        report: Report | None,
        *,
        name: str,
        seed: int,
        tables: Mapping[str, Any] | None = None,
        others: Mapping[str, Report] | None = None,
    ) -> Self:
        """Make the record of a training.

        Args:
            model: The trained model.
            rows: The rows that it was trained and evaluated on.
            history: What `fit` returned.
            report: What `evaluate` returned for the test rows; None if there are none.
            name: Name of the project.
            seed: Seed of the training.
            tables: The project as declared.
            others: Evaluations of other systems on the same test rows; they join those of the simple rules.

        Returns:
            The record.
        """
        trained = [name for name, weight in model.weights.items() if weight > 0]
        logs = {"train": rows.train, "validation": rows.validation, "test": rows.test}
        return cls(
            name=name,
            tables=dict(tables or {}),
            versions={"motet": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
            seed=seed,
            about=rows.report,
            rows={part: Rows.of(log) for part, log in logs.items() if log is not None},
            parts=_parts(model),
            tasks={task: type(part).__name__ for task, part in model.tasks.items()},
            weights=dict(model.weights),
            history=history.to_dicts(),
            **({} if report is None else _judged(report, rows, trained, others or {})),
        )

    @classmethod
    def of_project(cls, project: Project, trained: Trained) -> Self:
        """Make the record of a project's training.

        Args:
            project: The project.
            trained: What its `train` returned.

        Returns:
            The record.

        Example:
            >>> record = Record.of_project(project, project.train())  # doctest: +SKIP
            >>> Recommender(model, train).save("model/", run=record.to_json())  # doctest: +SKIP
        """
        found = (trained.model, trained.rows, trained.history, trained.report)
        name = "model" if project.file is None else project.name
        return cls.of(*found, name=name, seed=project.seed, tables=project.tables)

    @classmethod
    def read(cls, folder: str | Path) -> Self | None:
        """Read the record of a saved model.

        Args:
            folder: Folder of the model, already checked against its manifest.

        Returns:
            The record; None if the model was saved without one.

        Raises:
            ArtifactError: If the file is not a record, or is from a newer motet.
        """
        file = Path(folder) / RUN
        if not file.exists():
            return None
        text = file.read_bytes()
        try:
            version = json.loads(text)["format"]
            if version <= FORMAT:
                return cls.model_validate_json(text)
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise ArtifactError(
                f"{RUN!r} in {str(folder)!r} is not the record of a training "
                f"({' '.join(str(error).split())[:200]}); train and save the model again"
            ) from error
        raise ArtifactError(
            f"{RUN!r} in {str(folder)!r} has format {version}, and this motet {__version__} reads formats up to "
            f"{FORMAT}; upgrade: pip install --upgrade motet"
        )

    def to_json(self) -> str:
        """The record as `Recommender.save(..., run=...)` takes it.

        Returns:
            JSON; NaN becomes null.
        """
        return self.model_dump_json(indent=1)


def _parts(model: Model) -> dict[str, str]:
    parts = {"user tower": model.user, "item tower": model.item, "trunk": model.trunk, "balancer": model.balancer}
    found = {name: type(part).__name__ for name, part in parts.items() if part is not None}
    return found if model.preference is None else {**found, "preference": f"spread {model.preference.spread:g}"}


def _judged(report: Report, rows: Divided, tasks: list[str], others: Mapping[str, Report]) -> dict[str, Any]:
    beside = {**report.beside, **others}
    spoken = headlines([key for key in report if not math.isnan(report[key])], [*tasks, SERVED])
    curves = report.to_dict()["curves"]
    return {
        "headlines": spoken,
        "figures": _estimates(report),
        "beside": {name: _estimates(each) for name, each in beside.items()},
        "leads": list(_leads(report, beside, spoken)),
        "slices": dict(_slices(report, rows, spoken)),
        "curves": {name: {part: list(values) for part, values in curve.items()} for name, curve in curves.items()},
        "notes": list(report.notes),
        "warnings": list(report.warnings),
    }


def _estimates(report: Report) -> dict[str, Estimate]:
    ends = report.intervals(level=LEVEL)
    return {key: _estimate(figure, ends.get(key)) for key, figure in report.items()}


def _estimate(figure: float, ends: Interval | None) -> Estimate:
    low, high = (math.nan, math.nan) if ends is None else ends
    return Estimate(value=figure, low=low, high=high)


def _leads(report: Report, beside: Mapping[str, Report], spoken: Mapping[str, str]) -> Iterator[Lead]:
    for name, other in beside.items():
        for task, key in spoken.items():
            if key not in other:
                continue
            with suppress(DataError):  # other rows, or those of a single user: no paired difference
                difference, low, high = report.versus(other, key, level=LEVEL)
                estimate = Estimate(value=difference, low=low, high=high)
                yield Lead(system=name, task=task, key=key, difference=estimate, outcome=outcome(key, estimate))


def _slices(report: Report, rows: Divided, spoken: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Slice]]]:
    assert rows.test is not None
    held = _spoken(report, spoken)
    rules = {name: _spoken(rule, spoken) for name, rule in report.beside.items()}
    for name, chosen in masks(FAMILIES, rows.test, rows.train).items():
        part = Report.of([evidence.on(chosen) for evidence in held])
        beside = {rule: Report.of([evidence.on(chosen) for evidence in each]) for rule, each in rules.items()}
        ends = part.intervals(level=LEVEL)
        found = {
            key: Slice(
                figure=_estimate(part[key], ends.get(key)),
                beside={rule: figures[key] for rule, figures in beside.items() if key in figures},
                **part.judged(key)._asdict(),
            )
            for key in spoken.values()
            if not math.isnan(part[key])
        }
        if found:
            yield name, found


def _spoken(report: Report, spoken: Mapping[str, str]) -> list[Evidence]:
    """The evidence of the headline metrics."""
    return [part for part in report.evidence if set(part.keys) & set(spoken.values())]
