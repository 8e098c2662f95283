"""Record: how a saved model came to be and how good it is, kept beside its weights as `run.json`."""

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
from motet.compare.comparison import SERVED, Estimate, Figure, Outcome
from motet.compare.objective import headlines
from motet.data.log import EventLog
from motet.errors import ArtifactError, DataError
from motet.evaluation import Report
from motet.evaluation.intervals import Interval
from motet.evaluation.slices import FAMILIES, masks
from motet.metrics.direction import lower_is_better
from motet.model import Model
from motet.project import Divided, Project, Trained

FORMAT = 1  # raised when an older motet could misread what is written
LEVEL = 0.95  # of every interval


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Rows(_Kept):
    """How much there was of a log.

    Attributes:
        events: Rows.
        users: Who has one.
        items: What has one.
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
    """The figure that speaks for a task, beside that of another system, in the same samples of users.

    Attributes:
        system: The other.
        task: Of the figure.
        key: Of the figure.
        difference: The model's less the other's.
        outcome: Whether the difference leaves 0 out, and on which side.
    """

    system: str
    task: str
    key: str
    difference: Estimate
    outcome: Outcome


class Slice(_Kept):
    """A figure of some of the test rows.

    Attributes:
        figure: With its interval.
        rows: How many.
        users: Whose.
    """

    figure: Estimate
    rows: int
    users: int


class Record(_Kept):
    """How a model came to be, and how good it is.

    Attributes:
        name: Of the project.
        tables: The project as declared; empty where there was no declaration.
        versions: Of motet, torch and python.
        seed: Of the training.
        about: How the rows were chosen.
        rows: How many there were, by `train`, `validation` and `test`.
        parts: Classes of the towers and of what stands between them and the tasks.
        tasks: Class of each task.
        weights: What the loss of each task counts for.
        history: What `fit` returned, one object an epoch.
        headlines: The key of the figure that speaks for each task, for each stage of a funnel, and for the lists that
            users get.
        figures: Of the test rows, each with its interval.
        beside: The same of simple rules and of other systems, by their name.
        leads: The headlines beside those of each other system.
        slices: The headlines of some of the rows, by `family: slice`.
        curves: Reliability curves, as `Report.to_dict` has them.
        notes: What was measured on what.
        warnings: What makes the figures doubtful.
        level: Of the intervals.
        format: Of this document.
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
        """Write down a training.

        Args:
            model: Trained.
            rows: What it was trained and judged on.
            history: What `fit` returned.
            report: What `evaluate` returned on the test rows; None where there are none.
            name: Of the project.
            seed: Of the training.
            tables: The project as declared.
            others: Evaluations of other systems on the same test rows, to stand beside those of simple rules.

        Returns:
            The record, with an interval for every figure that has one.
        """
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
            **({} if report is None else _judged(report, rows, list(model.tasks), others or {})),
        )

    @classmethod
    def of_project(cls, project: Project, trained: Trained) -> Self:
        """Write down what a project made.

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
        return cls.of(*found, name=project.name, seed=project.seed, tables=project.tables)

    @classmethod
    def read(cls, folder: str | Path) -> Self | None:
        """Read the record of a saved model.

        Args:
            folder: Of the model, already checked against its manifest.

        Returns:
            The record; None where the model was saved without one.

        Raises:
            ArtifactError: If the record is from a newer motet, or is none.
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
                f"{RUN!r} in {str(folder)!r} is no record of a training ({' '.join(str(error).split())[:200]}); train "
                "and save the model again"
            ) from error
        raise ArtifactError(
            f"{RUN!r} in {str(folder)!r} has format {version}, and this motet {__version__} reads formats up to "
            f"{FORMAT}; upgrade: pip install --upgrade motet"
        )

    def to_json(self) -> str:
        """The record as `Recommender.save(..., run=...)` takes it.

        Returns:
            JSON; a number that is not known is null.
        """
        return self.model_dump_json(indent=1)


def _parts(model: Model) -> dict[str, str]:
    parts = {"user tower": model.user, "item tower": model.item, "trunk": model.trunk, "balancer": model.balancer}
    return {name: type(part).__name__ for name, part in parts.items() if part is not None}


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
            with suppress(DataError):  # not the same rows, or those of one user: there is no paired difference
                difference, low, high = report.versus(other, key, level=LEVEL)
                estimate = Estimate(value=difference, low=low, high=high)
                yield Lead(system=name, task=task, key=key, difference=estimate, outcome=_outcome(key, estimate))


def _outcome(key: str, difference: Estimate) -> Outcome:
    if not (difference.low > 0 or difference.high < 0):
        return "undecided"
    return "better" if (difference.value < 0) == lower_is_better(key) else "worse"


def _slices(report: Report, rows: Divided, spoken: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Slice]]]:
    assert rows.test is not None
    held = [part for part in report.evidence if set(part.keys) & set(spoken.values())]
    for name, chosen in masks(FAMILIES, rows.test, rows.train).items():
        part = Report.of([evidence.of(chosen) for evidence in held])
        ends = part.intervals(level=LEVEL)
        found = {key: part.judged(key) for key in spoken.values() if not math.isnan(part[key])}
        if found:
            yield (
                name,
                {
                    key: Slice(figure=_estimate(part[key], ends.get(key)), rows=judged.rows, users=judged.users)
                    for key, judged in found.items()
                },
            )
