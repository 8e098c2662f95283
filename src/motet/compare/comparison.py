"""Comparison: the result of `compare`, and the file that holds it, for tables, reports and other programs.

The folder of a run holds `compare.json`, one JSON document, written whole or not at all. An unknown number is null.

| key | holds |
|---|---|
| `format` | 1; another number if a reader of this format could misread the file |
| `project` | name of the project file |
| `tables` | the project as declared: the parsed TOML |
| `versions` | of `motet`, `torch` and `python` |
| `notes` | sentences: the test rows, what the seeds change, how intervals were computed, which rows are left out |
| `warnings` | sentences: reasons to doubt the metrics |
| `level`, `draws` | confidence level of the intervals (`0.95`), and number of bootstrap samples of users |
| `seeds` | one object per seed, with the settings it changed: `{"training.seed": 0, "split.seed": 0}` |
| `headlines` | the key of the headline metric of each name (see below): `{"rating": "rating/rmse"}` |
| `systems` | a list; see below |
| `versus` | a list of paired differences; see below |
| `mean_gain` | the mean over the tasks of the relative gain over the specialists: an estimate, or null |
| `conflicts` | by task and other task, the cosine of their gradients: the mean over epochs and seeds |
| `curves` | reliability curves of the joint model on the first seed, in the form of `Report.to_dict` |
| `verdict` | sentences; the first says whether joint training paid off |

A *name* is a task (`rating`), a stage of a funnel (`funnel/bought`), or `served` for the lists that users get. `task`
of a paired difference is such a name.

An *estimate* is `{"value", "low", "high"}`. A system has

| key | holds |
|---|---|
| `name`, `kind`, `task` | `joint`; `rating only`, a `specialist` for the task `rating`; `popularity`, a `baseline` |
| `figures` | by key (`"rating/rmse"`, `"retrieval/unseen/ndcg@10"`), the mean over the seeds: an estimate |
| `by_seed` | by key, the value for each seed, in the order of `seeds` |
| `histories` | for each seed, the epochs as `fit` returns them; see below |
| `seconds` | time of training and evaluation for each seed |
| `errors` | for each seed, why training failed; `""` if it did not |

An epoch has `epoch` (from 1), `seconds`, `loss/TASK` and, if the project has them, `gradient/TASK` (the task's share
of the gradient), `cosine/A/B`, `gate/TASK/EXPERT` and `validation/KEY`. Baselines and failed trainings have no epochs.

A paired difference is that of the joint model minus another system, on the same samples of users:

| key | holds |
|---|---|
| `system`, `task`, `key` | the other system, the name, and the key of the metric |
| `headline` | whether it is the headline metric of the name |
| `joint`, `other` | both values: means over the seeds on which both were trained |
| `difference` | an estimate in the unit of the metric; for an error such as RMSE, below 0 is better |
| `gain` | the difference as a share of the other system's value; above 0 is better for every metric |
| `outcome` | `better` or `worse` if the interval of `difference` excludes 0, else `undecided` |
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from motet.compare.folder import write_whole
from motet.errors import ConfigError, DataError, did_you_mean
from motet.metrics.direction import lower_is_better

if TYPE_CHECKING:
    from rich.table import Table

FILE = "compare.json"
FORMAT: Literal[1] = 1
SERVED = "served"  # the name of the lists that users get, beside those of the tasks
Figure = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
Kind = Literal["joint", "specialist", "baseline"]
Outcome = Literal["better", "worse", "undecided"]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Estimate(_Told):
    """A number and its confidence interval.

    Attributes:
        value: The number.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: Figure
    low: Figure
    high: Figure


class System(_Told):
    """One system on every seed.

    Attributes:
        name: Name of the system.
        kind: `"joint"`, `"specialist"` or `"baseline"`.
        task: The task of a specialist; None for other systems.
        figures: Metrics by key: means over the seeds.
        by_seed: Metrics by key: one value for each seed.
        histories: The epochs of each seed, as `fit` returned them.
        seconds: Time of training and evaluation for each seed.
        errors: Why training failed, for each seed; empty if it did not.
    """

    name: str
    kind: Kind
    task: str | None = None
    figures: dict[str, Estimate] = {}
    by_seed: dict[str, list[Figure]] = {}
    histories: list[list[dict[str, Figure]]] = []
    seconds: list[Figure] = []
    errors: list[str] = []


class Versus(_Told):
    """The paired difference of a metric between the joint model and another system.

    Attributes:
        system: Name of the other system.
        task: A task, a stage of a funnel (`funnel/bought`), or `served` for the lists that users get.
        key: Key of the metric.
        headline: Whether it is the headline metric of the task.
        joint: The joint model's value.
        other: The other system's value.
        difference: Joint minus other.
        gain: The difference as a share of the other system's value; above 0 if the joint model is better.
        outcome: `"better"` or `"worse"` if the interval of the difference excludes 0, else `"undecided"`.
    """

    system: str
    task: str
    key: str
    headline: bool
    joint: Figure
    other: Figure
    difference: Estimate
    gain: Estimate
    outcome: Outcome


class Comparison(_Told):
    """A joint model beside its specialists and baselines, on several seeds.

    Attributes:
        project: Name of the project file.
        tables: The project as declared.
        versions: Versions of motet, torch and Python.
        notes: How the metrics were measured, one sentence each.
        warnings: Reasons to doubt the metrics.
        level: Confidence level of the intervals.
        draws: Number of bootstrap samples of users.
        seeds: The settings that each seed changed.
        headlines: Key of the headline metric of each task or stage, and of the lists that users get.
        systems: The joint model, the specialists and the baselines, in this order.
        versus: Paired differences between the joint model and the other systems.
        mean_gain: The mean over the tasks of the gain over the specialists; None if one is missing or scores 0.
        conflicts: Cosines between the gradients of tasks, by task and other task.
        curves: Reliability curves of the joint model on the first seed.
        verdict: Sentences; the first says whether joint training paid off.
        format: Format of the file.
    """

    project: str
    tables: dict[str, Any]
    versions: dict[str, str]
    notes: list[str]
    warnings: list[str]
    level: float
    draws: int
    seeds: list[dict[str, int]]
    headlines: dict[str, str]
    systems: list[System]
    versus: list[Versus]
    mean_gain: Estimate | None
    conflicts: dict[str, dict[str, Figure]]
    curves: dict[str, Any]
    verdict: list[str]
    format: Literal[1] = FORMAT

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read the file that `compare` wrote.

        Args:
            folder: Folder of the run.

        Returns:
            The comparison.

        Raises:
            ConfigError: If the folder holds no finished comparison.
            DataError: If the file does not have this format.
        """
        file = Path(folder) / FILE
        try:
            return cls.model_validate_json(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ConfigError(f"there is no {file}; make one with: motet compare motet.toml -o {folder}") from error
        except (ValidationError, UnicodeDecodeError) as error:
            told = f"{error.errors()[0]['loc']}: {error.errors()[0]['msg']}" if hasattr(error, "errors") else error
            raise DataError(f"{file} is no comparison of format {FORMAT}: {told}") from error

    def write(self, folder: str | Path) -> Path:
        """Write the file, whole or not at all.

        Args:
            folder: Folder of the run.

        Returns:
            The file.

        Raises:
            ArtifactError: If the file cannot be written.
        """
        file = Path(folder) / FILE
        write_whole(file, self.model_dump_json(indent=1))
        return file

    def system(self, name: str) -> System:
        """One of the systems.

        Args:
            name: Name of the system.

        Returns:
            The system.

        Raises:
            KeyError: If there is no system of this name.
        """
        known = {each.name: each for each in self.systems}
        if name not in known:
            raise KeyError(f"{name!r} is no system of this comparison{did_you_mean(name, known)}")
        return known[name]

    @property
    def transfers(self) -> Mapping[str, Versus]:
        """By task or stage, the difference between the joint model and the specialist in the headline metric."""
        return transfers(self.systems, self.versus)

    @property
    def negative_transfer(self) -> list[str]:
        """The tasks and stages that joint training hurt."""
        return [task for task, each in self.transfers.items() if each.outcome == "worse"]

    def table(self) -> Table:
        """The comparison as a table for the terminal.

        Returns:
            One row per system, one column per headline metric; below, the gains of joint training.
        """
        from motet.compare.comparison_table import comparison_table

        return comparison_table(self)


def speaks_of(task: str | None, name: str) -> bool:
    """Whether a system is compared in what a name stands for.

    Args:
        task: The task of a specialist; None for another system.
        name: A task, a stage of a funnel, or `served`.

    Returns:
        False for a specialist and the name of another task.
    """
    return task is None or name.partition("/")[0] in (task, SERVED)


def outcome(key: str, difference: Estimate) -> Outcome:
    """Whether a difference between two systems is for the better.

    Args:
        key: Key of the metric.
        difference: The metric of one system minus that of another.

    Returns:
        `"undecided"` if the interval contains 0 or is unknown. Otherwise the interval decides, not the value: chance
        may lift one ECE more than the other.

    Example:
        >>> outcome("rating/rmse", Estimate(value=-0.03, low=-0.04, high=-0.02))
        'better'
    """
    if not (difference.low > 0 or difference.high < 0):
        return "undecided"
    return "better" if (difference.high < 0) == lower_is_better(key) else "worse"


def transfers(systems: Sequence[System], versus: Sequence[Versus]) -> dict[str, Versus]:
    """The effect of joint training on each task, and on each stage of a funnel.

    Args:
        systems: All systems.
        versus: All paired differences.

    Returns:
        By `voice`, the difference between the joint model and the task's specialist in the headline metric.
    """
    alone = {each.name: each.task for each in systems if each.kind == "specialist"}
    return {
        each.task: each
        for each in versus
        if each.headline and each.system in alone and each.task.partition("/")[0] == alone[each.system]
    }
