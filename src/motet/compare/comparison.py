"""Comparison: what `compare` found, and the file that holds it, for tables, reports and other programs.

A run folder holds `compare.json`, one document in UTF-8, written whole or not at all. An unknown number is null.

| key | holds |
|---|---|
| `format` | 1; it changes when a reader of this format could misread the file |
| `project` | name of the project file |
| `tables` | the project as declared, as TOML would give it |
| `versions` | of `motet`, `torch`, `python` |
| `notes` | sentences: which rows are the test, what differs between seeds, how intervals were made, who is left out |
| `warnings` | sentences: what makes the figures doubtful |
| `level`, `draws` | of the intervals: `0.95`, and how many samples of users |
| `seeds` | one object a seed: the settings it gave, by `table.key`: `{"training.seed": 0, "split.seed": 0}` |
| `headlines` | by name, the key that speaks for it: `{"rating": "rating/rmse"}`; names below |
| `systems` | a list; see below |
| `versus` | a list of paired differences; see below |
| `mean_gain` | the mean over tasks of the relative gain over the specialists: an estimate, or null |
| `conflicts` | by task, by other task: the cosine of their gradients, the mean over epochs and seeds |
| `curves` | by name, reliability curves of the joint model on the first seed, as `Report.to_dict` has them |
| `verdict` | sentences, the first of which says whether joint training paid off |

A *name* is that of a task; of a stage of a funnel, `funnel/bought`; or `served`, for the lists that users get. Below,
`task` of a paired difference is such a name.

An *estimate* is `{"value", "low", "high"}`. A system:

| key | holds |
|---|---|
| `name`, `kind`, `task` | `joint`; `rating only`, a `specialist` of task `rating`; `popularity`, a `baseline` |
| `figures` | by key (`"rating/rmse"`, `"retrieval/unseen/ndcg@10"`), an estimate: the mean over the seeds |
| `by_seed` | by key, the figure of each seed, in the order of `seeds` |
| `histories` | one list a seed, one object an epoch, as `fit` returns it; see below |
| `seconds` | of training and evaluation, one number a seed |
| `errors` | one text a seed: why it could not be trained; `""` where it could |

An epoch has `epoch` (from 1), `seconds`, `loss/TASK` and, where the project has them, `gradient/TASK` (a task's share
of the gradient), `cosine/A/B`, `gate/TASK/EXPERT`, `validation/KEY`. Baselines have none, nor what was not trained.

A paired difference, of the joint model less another system, in the same samples of users:

| key | holds |
|---|---|
| `system`, `task`, `key` | the other system; whose figure, as in `headlines`; and the figure |
| `headline` | whether the figure is the one that speaks |
| `joint`, `other` | the two figures: means over the seeds that both were trained on |
| `difference` | an estimate in the unit of the figure: below 0 is better for an error such as RMSE |
| `gain` | the difference as a share of the other's figure: above 0 is better, whatever the figure |
| `outcome` | `better`, `worse` or `undecided`: whether `difference` leaves 0 out, and on which side |
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from motet.compare.folder import write_whole
from motet.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from rich.table import Table

FILE = "compare.json"
FORMAT: Literal[1] = 1
SERVED = "served"  # what lists that users get are called beside the tasks
Figure = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
Kind = Literal["joint", "specialist", "baseline"]
Outcome = Literal["better", "worse", "undecided"]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Estimate(_Told):
    """A number, and between what and what it is.

    Attributes:
        value: The number.
        low: The lower end of its interval.
        high: The upper end.
    """

    value: Figure
    low: Figure
    high: Figure


class System(_Told):
    """One system on every seed.

    Attributes:
        name: Of the system.
        kind: What it is.
        task: The one task of a specialist.
        figures: Means over the seeds, by key.
        by_seed: The figure of each seed, by key.
        histories: What `fit` returned, one list a seed.
        seconds: Of training and evaluation, by seed.
        errors: Why it could not be trained, by seed.
    """

    name: str
    kind: Kind
    task: str | None = None
    figures: dict[str, Estimate] = {}
    by_seed: dict[str, list[Figure]] = {}
    histories: list[list[dict[str, Figure]]] = []
    seconds: list[Figure] = []
    errors: list[str] = []

    def speaks_of(self, name: str) -> bool:
        """Whether its figures under a name say what it was trained for.

        Args:
            name: Of a task, a stage of one, or `served`.

        Returns:
            False for a specialist and another task.
        """
        return self.task is None or name.partition("/")[0] in (self.task, SERVED)


class Versus(_Told):
    """A figure of the joint model beside that of another system.

    Attributes:
        system: The other.
        task: Whose figure: a task, a stage of one (`funnel/bought`), or `served`, the lists that users get.
        key: Of the figure.
        headline: Whether it speaks for the task.
        joint: That of the joint model.
        other: That of the other system.
        difference: Joint less other.
        gain: By which part of the other's the joint model's is better.
        outcome: Whether the difference leaves 0 out, and on which side.
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
    """A joint model beside its specialists and baselines, on several seeds; it prints as a table and a verdict.

    Attributes:
        project: Name of the project file.
        tables: The project as declared.
        versions: Of what computed it.
        notes: What was measured on what.
        warnings: What makes the figures doubtful.
        level: Of the intervals.
        draws: Samples of users.
        seeds: The settings each seed gave.
        headlines: The key of the figure that speaks for each task, stage, and for the lists that users get.
        systems: The joint model, specialists and baselines, in this order.
        versus: Paired differences between the joint model and the others.
        mean_gain: The mean over tasks of the gain over the specialists; None where one is missing.
        conflicts: Cosines between the gradients of tasks.
        curves: Reliability curves of the joint model on the first seed.
        verdict: Sentences; the first says whether joint training paid off.
        format: Of the file.
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
        """Read what `compare` wrote.

        Args:
            folder: Of the run.

        Returns:
            The comparison.

        Raises:
            ConfigError: If no comparison has ended in the folder.
            DataError: If the file is none of this format.
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
        """Write it, whole or not at all.

        Args:
            folder: Of the run.

        Returns:
            The file.

        Raises:
            ArtifactError: If the disk is full or refuses to be written.
        """
        file = Path(folder) / FILE
        write_whole(file, self.model_dump_json(indent=1))
        return file

    def system(self, name: str) -> System:
        """One of the systems.

        Args:
            name: Of the system.

        Returns:
            The system.

        Raises:
            KeyError: If there is none of that name.
        """
        known = {each.name: each for each in self.systems}
        if name not in known:
            raise KeyError(f"{name!r} is no system of this comparison{did_you_mean(name, known)}")
        return known[name]

    @property
    def transfers(self) -> Mapping[str, Versus]:
        """By task and stage, the joint model beside the specialist, in the figure that speaks."""
        return transfers(self.systems, self.versus)

    @property
    def negative_transfer(self) -> list[str]:
        """The tasks and stages that joint training hurt."""
        return [task for task, each in self.transfers.items() if each.outcome == "worse"]

    def table(self) -> Table:
        """The comparison as a table for the terminal.

        Returns:
            One line a system, one column a figure that speaks; then what joint training gained.
        """
        from motet.compare.comparison_table import comparison_table

        return comparison_table(self)


def transfers(systems: Sequence[System], versus: Sequence[Versus]) -> dict[str, Versus]:
    """What joint training did to each task, and to each stage of a funnel.

    Args:
        systems: All.
        versus: All paired differences.

    Returns:
        By `voice`, the joint model beside the task's specialist, in the figure that speaks.
    """
    alone = {each.name: each.task for each in systems if each.kind == "specialist"}
    return {
        each.task: each
        for each in versus
        if each.headline and each.system in alone and each.task.partition("/")[0] == alone[each.system]
    }
