"""tune: better settings for a project, found on its validation rows within a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from motet.compare.folder import RunFolder
from motet.compare.objective import Score, Yardstick, objectives
from motet.compare.progress import trial_progress
from motet.compare.run import Call, run
from motet.compare.sampler import Optuna, listed
from motet.compare.space import space, spread
from motet.compare.trial import Trial
from motet.compare.tuning import as_declared, tuning_space
from motet.compare.work import Declaration, judge, race
from motet.compare.workers import Workers, workers
from motet.errors import ConfigError, TrainingError
from motet.project import Project
from motet.project.rewrite import rewrite

MINUTES = 10.0  # where neither a time nor a number of trials is given
LONGER = 3  # times the declared epochs are as far as a trial goes
KEPT = 3  # one in so many goes on from one rung to the next, which is as many times further


@dataclass(frozen=True)
class Tuned:
    """What a tuning found.

    Attributes:
        start: The project as it is.
        best: The best trial; the start, if none was better.
        trials: All of them, the start first.
        score: What they were compared by.
        yardstick: What simple rules reach, and how the rows were chosen.
    """

    start: Trial
    best: Trial
    trials: tuple[Trial, ...]
    score: Score
    yardstick: Yardstick

    @property
    def settings(self) -> dict[str, Any]:
        """What the best trial changes, the number of its epochs included; nothing where the start was best."""
        if self.best.number == self.start.number:
            return {}
        return {**self.best.settings, "training.epochs": self.best.epochs, "training.early_stopping": None}

    def write(self, project: Project, output: str | Path) -> None:
        """Write the project with the best settings, comments and all, and with a comment of what was changed.

        Args:
            project: From a file.
            output: The file to write.

        Raises:
            ConfigError: If the project is from no file.
            ArtifactError: If the disk is full or refuses to be written.
        """
        if project.file is None:
            raise ConfigError(
                "the project is from no file, so that there is none to write anew; read one: Project.read"
            )
        figures = [f"{key} {self.start.figure(key):.4f} -> {self.best.figure(key):.4f}" for key in self.score.keys]
        notes = [f"Tuned by motet on validation rows, in {len(self.trials)} trials: {', '.join(figures)}. Changed:"]
        settings = spread(project, self.settings)
        notes += [f"  {key} = {value}" for key, value in settings.items() if value is not None]
        rewrite(project.file, settings, output=Path(output), notes=notes)


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
    """Look for sizes, rates and regularisation that suit the data; the test rows are not looked at.

    The first trial is the project as it is. The others are drawn by Optuna's TPE and trained in rungs: after a ninth
    and a third of the epochs only those go on that are among the best third of the trials before (successive halving),
    and none goes on whose best epoch lies far behind. Which epoch was best is part of what is found. The search starts
    where the project is: the second trial has its settings, as near as what is tried comes to them, for more epochs.

    Args:
        project: With validation rows.
        minutes: When to begin no further trial; 10 where neither this nor `trials` is given.
        trials: How many trials. The same number and seed find the same, which a time cannot promise.
        objective: Key of the validation figure to improve. Where not given, the mean over the tasks of the relative
            gain over the project as it is; what makes one task worse is worth its loss, whatever it gains in others.
        over: What to try instead, as in `sweep`. Where not given: width and dropout of the towers, hidden layers,
            dropout and temperature of the tasks, their weights, rate and weight decay of the optimizer (AdamW in place
            of Adam), batch size, and whether weights are averaged; as far as the declared parts have them.
        epochs: As far as a trial goes; three times the declared epochs where not given.
        seed: Of the sampler.
        jobs: How many trainings at the same time, each in a process with its part of the cores.
        folder: Where trials are written down, for a tuning that goes on after an interruption; nowhere where not given.
        progress: Whether to show a progress bar on stderr.

    Returns:
        The start and the best.

    Raises:
        ConfigError: If a setting or the objective is unknown, there is nothing to take a gain over, Optuna is not
            installed, or the project has no validation rows.
        TrainingError: If the project as it is cannot be trained.
        ArtifactError: If the disk is full; what ended is kept.

    Example:
        >>> found = tune(project, minutes=5)  # doctest: +SKIP
        >>> found.write(project, "tuned.toml")  # doctest: +SKIP
    """
    going = _going(minutes, trials)
    yardstick = Yardstick.of(project)
    if objective is not None:
        yardstick.check([objective])
    dimensions, beside = tuning_space(project, yardstick.weights, yardstick.rows)
    if over:
        if "training.epochs" in over:
            raise ConfigError("training.epochs is found in every tuning; say with epochs how far a trial may go")
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

    plan = {"project": declaration.tables, "objective": objective, "over": over, "rungs": rungs, "seed": seed}
    with (
        TemporaryDirectory() as nowhere,
        RunFolder(nowhere if folder is None else folder, plan) as held,
        workers(jobs, None) as at_work,
        trial_progress(trials, shown=progress) as told,
    ):
        start = _start(held, at_work, declaration, project.seed)
        score = _score(yardstick, objective, start)
        found = run(held, at_work, propose=propose, call=call, told=told, most=trials)
    best = max(found, key=lambda trial: score.of(trial.figures))
    return Tuned(start, best, tuple(found), score, yardstick)


def _start(held: RunFolder, at_work: Workers, declaration: Declaration, seed: int) -> Trial:
    """The project as it is, before any other trial is drawn: all are held against it."""
    known = held.trials.get(0)
    if known is None or not known.finished:
        call: Call = (judge, (Trial(0, {}), declaration, [seed]))
        known = run(held, at_work, propose=listed([{}]), call=lambda *_: call, told=lambda _: None, most=1)[0]
    if known.state == "failed":
        raise TrainingError(f"the project as it is cannot be trained, so that there is nothing to tune: {known.error}")
    return known


def _score(yardstick: Yardstick, objective: str | None, start: Trial) -> Score:
    """What is to be improved; a figure that is 0 at the start is held against the best simple rule."""
    if objective is not None:
        return Score((objective,))
    keys = objectives(yardstick.keys, yardstick.weights)
    references = {key: start.figure(key) or yardstick.rule(key) for key in keys}
    known = {key: figure for key, figure in references.items() if figure and not math.isnan(figure)}
    if not known:
        raise ConfigError(
            f"the project as it is reaches nothing in {', '.join(keys) or 'its tasks'}, so that no gain over it can be "
            f"taken; name an objective, one of: {', '.join(yardstick.keys)}"
        )
    return Score(tuple(known), known)


def _rungs(epochs: int) -> list[int]:
    if epochs < 1:
        raise ConfigError(f"epochs={epochs}; a trial takes at least one")
    return sorted({max(1, epochs // KEPT**2), max(1, epochs // KEPT), epochs})


def _bar(ended: Sequence[Trial], rung: int) -> float:
    """What the last of the best third was worth at a rung."""
    worth = sorted((trial.rungs[rung] for trial in ended if rung in trial.rungs), reverse=True)
    return worth[max(len(worth) // KEPT, 1) - 1] if worth else -math.inf


def _going(minutes: float | None, trials: int | None) -> Callable[[], bool]:
    """Whether there is time for a further trial."""
    if minutes is not None and not minutes >= 0:
        raise ConfigError(f"minutes={minutes}; it must be 0 or more")
    if trials is not None and trials < 1:
        raise ConfigError(f"trials={trials}; a search takes at least one, the project as it is")
    limit = MINUTES if minutes is None and trials is None else minutes
    until = math.inf if limit is None else time.monotonic() + 60 * limit
    return lambda: time.monotonic() < until
