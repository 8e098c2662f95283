"""tune: better settings for a project, found on its validation rows within a time limit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from motet.arguments import checked
from motet.compare.fingerprint import fingerprints
from motet.compare.folder import RunFolder
from motet.compare.objective import Score, Yardstick, objectives
from motet.compare.progress import trial_progress
from motet.compare.run import Call, run
from motet.compare.sampler import Optuna, listed
from motet.compare.space import space, spread
from motet.compare.trial import Trial
from motet.compare.tuning_space import as_declared, tuning_space
from motet.compare.work import Declaration, judge, race
from motet.compare.workers import Workers, workers
from motet.errors import ConfigError, TrainingError
from motet.metrics.text import number
from motet.project import Project
from motet.project.rewrite import rewrite

MINUTES = 10.0  # default time limit
LONGER = 3  # default limit of the epochs, as a multiple of the declared ones
KEPT = 3  # one in this many trials goes on to the next rung, which is as many times longer


@dataclass(frozen=True)
class Tuned:
    """The result of a search.

    Attributes:
        start: The unchanged project.
        best: The best trial; the start, if none was better.
        trials: All trials, the start first.
        score: The objective.
        yardstick: Metrics of simple rules, and how the rows were chosen.
    """

    start: Trial
    best: Trial
    trials: tuple[Trial, ...]
    score: Score
    yardstick: Yardstick

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the best trial, with its number of epochs; none if the start was best."""
        if self.best.number == self.start.number:
            return {}
        return {**self.best.settings, "training.epochs": self.best.epochs, "training.early_stopping": None}

    def write(self, project: Project, output: str | Path) -> None:
        """Write a copy of the project file with the best settings, its comments, and a list of the changes.

        Args:
            project: A project read from a file.
            output: The file to write.

        Raises:
            ConfigError: If the project was not read from a file.
            ArtifactError: If the file cannot be written.
        """
        if project.file is None:
            raise ConfigError("the project was not read from a file, so there is none to copy; use Project.read")
        figures = [
            f"{key} {number(self.start.figure(key))} -> {number(self.best.figure(key))}" for key in self.score.keys
        ]
        count = len(self.trials)
        tried = f"Tuned by motet on validation rows, in {count} trial{'s' * (count > 1)}"
        settings = spread(project, self.settings)
        notes = [
            f"{tried}: {', '.join(figures)}. Changed:" if settings else f"{tried}: none was better than the project."
        ]
        notes += [f"  {key} = {value}" for key, value in settings.items() if value is not None]
        rewrite(project.file, settings, output=Path(output), notes=notes)


@checked
def tune(
    project: Project,
    *,
    minutes: float | None = None,
    trials: int | None = None,
    objective: str | None = None,
    over: Mapping[str, str | Sequence[Any]] | None = None,
    epochs: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    folder: str | Path | None = None,
    progress: bool = True,
) -> Tuned:
    """Search for sizes, learning rates and regularisation that suit the data, never on the test rows.

    The first trial is the unchanged project. The others are proposed by Optuna's TPE and trained in rungs: after a
    ninth and a third of the epochs, only trials among the best third so far continue (successive halving), and only
    if their best epoch is in the second half. The best epoch is part of the result. The second trial has the project's
    settings, or the nearest ones in the search space, with more epochs.

    Args:
        project: A project with validation rows.
        minutes: Time after which no trial starts; 10 if neither this nor `trials` is given.
        trials: Number of trials. With the same number and seed the search is reproducible; with a time limit it is not.
        objective: Key of the validation metric to improve. By default the mean over the tasks of the relative gain over
            the unchanged project; a trial that makes a task worse scores its loss there, whatever it gains elsewhere.
        over: Values to try instead, as in `sweep`. By default, as far as the declared parts have them: width and
            dropout of the towers; hidden layers, dropout, temperature and weights of the tasks; learning rate and
            weight decay of the optimizer (AdamW in place of Adam); batch size; and averaging of the weights.
        epochs: Limit of the epochs of a trial; by default three times the declared ones.
        seed: Seed of the sampler.
        jobs: Number of trainings in parallel, each in a process with its share of the cores.
        folder: Folder for the trials, from which an interrupted search resumes. By default nothing is kept.
        progress: Whether to show a progress bar on stderr.

    Returns:
        The start and the best trial.

    Raises:
        ConfigError: If a setting or the objective is unknown, there is no gain to measure, Optuna is not installed, or
            the project has no validation rows.
        TrainingError: If the unchanged project cannot be trained.
        ArtifactError: If the disk is full; finished trials are kept.

    Example:
        >>> found = tune(project, minutes=5)  # doctest: +SKIP
        >>> found.write(project, "tuned.toml")  # doctest: +SKIP
    """
    going = _going(minutes, trials)
    yardstick = Yardstick.of(project)
    if objective is not None:
        yardstick.check([objective])
    dimensions, beside = tuning_space(project, yardstick.trained, yardstick.rows)
    if over:
        if "training.epochs" in over:
            raise ConfigError("training.epochs is part of every search; limit it with epochs")
        dimensions, beside = space(project, over), {}
    declared = int(project.training.given.get("epochs", 10))
    rungs = _rungs(LONGER * declared if epochs is None else epochs)
    declaration = Declaration.of(project)
    asked = Optuna(
        dimensions=dimensions,
        sampler="tpe",
        worth=lambda trial: [score.of(trial.figures)],
        objectives=1,
        seed=seed,
        start=as_declared(project, dimensions),
    )

    def propose(number: int, ended: Sequence[Trial], open_: Sequence[Trial]) -> Trial | None:
        if not going():
            return None
        trial = asked(number, [each for each in ended if each.number], [each for each in open_ if each.number])
        return replace(trial, settings={**beside, **trial.settings})

    def call(trial: Trial, ended: Sequence[Trial]) -> Call:
        return race, (trial, declaration, score, {rung: _bar(ended, rung) for rung in rungs})

    plan = {
        **{"project": declaration.tables, "data": fingerprints(project)},
        **{"objective": objective, "over": over, "rungs": rungs, "seed": seed},
    }
    crew = workers(jobs, None)  # first: it raises, and a folder that holds a run admits no other
    with (
        TemporaryDirectory() as nowhere,
        RunFolder(nowhere if folder is None else folder, plan) as held,
        crew as at_work,
        trial_progress(trials, shown=progress) as told,
    ):
        start = _start(held, at_work, declaration, project.seed)
        score = _score(yardstick, objective, start)
        found = run(held, at_work, propose=propose, call=call, told=told, most=trials)
    best = max(found, key=lambda trial: score.of(trial.figures))
    return Tuned(start, best, tuple(found), score, yardstick)


def _start(held: RunFolder, at_work: Workers, declaration: Declaration, seed: int) -> Trial:
    """The unchanged project, which all other trials are compared with."""
    known = held.trials.get(0)
    if known is None or not known.finished:
        call: Call = (judge, (Trial(0, {}), declaration, [seed]))
        known = run(held, at_work, propose=listed([{}]), call=lambda *_: call, told=lambda _: None, most=1)[0]
    if known.state == "failed":
        raise TrainingError(f"the unchanged project cannot be trained: {known.error}")
    return known


def _score(yardstick: Yardstick, objective: str | None, start: Trial) -> Score:
    """The objective; a metric that is 0 at the start is compared with the best simple rule."""
    if objective is not None:
        return Score((objective,))
    keys = objectives(yardstick.keys, yardstick.trained)
    references = {key: start.figure(key) or yardstick.rule(key) for key in keys}
    known = {key: figure for key, figure in references.items() if figure and not math.isnan(figure)}
    if not known:
        raise ConfigError(
            f"the unchanged project scores 0 in {', '.join(keys) or 'its tasks'}, so no relative gain can be computed; "
            f"name an objective, one of: {', '.join(yardstick.keys)}"
        )
    return Score(tuple(known), known)


def _rungs(epochs: int) -> list[int]:
    if epochs < 1:
        raise ConfigError(f"epochs={epochs}; a trial takes at least one")
    return sorted({max(1, epochs // KEPT**2), max(1, epochs // KEPT), epochs})


def _bar(ended: Sequence[Trial], rung: int) -> float:
    """The score of the last trial of the best third at a rung."""
    worth = sorted((trial.rungs[rung] for trial in ended if rung in trial.rungs), reverse=True)
    return worth[max(len(worth) // KEPT, 1) - 1] if worth else -math.inf


def _going(minutes: float | None, trials: int | None) -> Callable[[], bool]:
    """Whether there is time for a further trial."""
    if minutes is not None and not minutes >= 0:
        raise ConfigError(f"minutes={minutes}; it must be 0 or more")
    if trials is not None and trials < 1:
        raise ConfigError(f"trials={trials}; a search needs at least one, the unchanged project")
    limit = MINUTES if minutes is None and trials is None else minutes
    until = math.inf if limit is None else time.monotonic() + 60 * limit
    return lambda: time.monotonic() < until
