"""compare: a joint model against a specialist for each task and against baselines."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from motet.arguments import checked
from motet.compare.comparison import SERVED, Comparison
from motet.compare.fingerprint import fingerprints
from motet.compare.folder import RunFolder
from motet.compare.objective import headlines
from motet.compare.on_seed import on_seed
from motet.compare.progress import trial_progress
from motet.compare.run import Call, run
from motet.compare.sampler import listed
from motet.compare.systems import Contender, contenders
from motet.compare.systems import seeds as drawn
from motet.compare.trial import Trial
from motet.compare.verdict import verdict
from motet.compare.versus import Tally, conflicts, mean_gain, versus
from motet.compare.work import Declaration, rows_of
from motet.compare.workers import workers
from motet.errors import ConfigError, TrainingError
from motet.project import Project
from motet.project.project import FEW

UNREAD = ("compare", "sweep", "tune")  # tables without influence on training
FORMAT = 2  # of the memory of a trial; a comparison of another format cannot be resumed


@checked
def compare(
    project: Project,
    *,
    seeds: int = 3,
    level: float = 0.95,
    draws: int = 1000,
    jobs: int = 1,
    folder: str | Path = "compare",
    progress: bool = True,
) -> Comparison:
    """Train the joint model, a specialist for each task and the baselines, and evaluate all on the test rows.

    Models are evaluated with probabilities calibrated on the validation rows, if there are any.

    Args:
        project: A project with test rows, and at least two tasks with a weight above 0.
        seeds: Number of trainings of each system. Every seed changes the training, and the split if it is random. The
            first one is that of the project.
        level: Confidence level of the intervals.
        draws: Number of bootstrap samples of users.
        jobs: Number of trainings in parallel, each in a process with its share of the cores.
        folder: Folder for the results of each training, and for `compare.json` at the end. An interrupted comparison
            resumes from there, and the number of seeds can be raised.
        progress: Whether to show a progress bar on stderr.

    Returns:
        All metrics with their intervals, and the verdict.

    Raises:
        ConfigError: If the project has no test rows, trains fewer than two tasks, or names a baseline that applies to
            none; if the folder holds another run, or another process is using it.
        DataError: If the data lack a column that the project reads.
        TrainingError: If the joint model could not be trained with any seed.
        ArtifactError: If the disk is full; finished trainings are kept.

    Example:
        >>> found = compare(project, seeds=3, jobs=2)  # doctest: +SKIP
        >>> print(found.verdict[0])  # doctest: +SKIP
        Joint training helped rating (RMSE 0.888 vs 0.917, gain +3.2 % [2.4, 3.9]) and hurt nothing.
    """
    entered = _entered(project, level, draws)
    given = drawn(project, seeds)
    ways = [{"system": each.name, "seed": number} for number in range(len(given)) for each in entered]
    declaration = Declaration.of(project)
    plan = {
        "project": {name: table for name, table in declaration.tables.items() if name not in UNREAD},
        **{"data": fingerprints(project), "systems": [each.name for each in entered], "draws": draws, "format": FORMAT},
    }
    named = {each.name: each for each in entered}

    def call(trial: Trial, _: Sequence[Trial]) -> Call:
        contender, seed = named[trial.settings["system"]], given[trial.settings["seed"]]
        return on_seed, (trial, declaration, contender, seed, draws)

    crew = workers(jobs, None)  # first: it raises, and a folder that holds a run admits no other
    with (
        RunFolder(folder, plan) as held,
        crew as at_work,
        trial_progress(len(ways), shown=progress) as told,
    ):
        trials = run(held, at_work, propose=listed(ways), call=call, told=told, most=len(ways))
        found = _found(project, entered, trials, given, level=level, draws=draws)
        found.write(held.path)
    return found


def _entered(project: Project, level: float, draws: int) -> list[Contender]:
    """The systems to compare; raises for mistakes before anything is trained."""
    if not 0 < level < 1:
        raise ConfigError(f"level={level}; it is a share between 0 and 1, such as 0.95")
    if draws < 2:
        raise ConfigError(f"draws={draws}; an interval needs at least two, and 1,000 for a steady one")
    if project.split is None:
        raise ConfigError(
            f'{project.name} has no test rows; add a table [split] with kind = "random" and test = 0.1, '
            "or: --set split.kind=random --set split.test=.1"
        )
    rows = rows_of(project)
    model = project.model(rows.train)
    model.check(project.mix(model, rows))
    project.product(model, rows.train.take(slice(0, FEW)))
    return contenders(project, model)


def _found(
    project: Project,
    entered: Sequence[Contender],
    trials: Sequence[Trial],
    given: Sequence[dict[str, int]],
    *,
    level: float,
    draws: int,
) -> Comparison:
    own = {each.name: [trial for trial in trials if trial.settings["system"] == each.name] for each in entered}
    tallies = [Tally(each, trials=own[each.name], draws=draws) for each in entered]
    joint, others = tallies[0], tallies[1:]
    if not joint.figures:
        raise TrainingError(f"the joint model could not be trained with any of {len(given)} seeds: {trials[0].error}")
    alone = {tally.contender.task: tally for tally in others if tally.contender.task is not None}
    spoken = headlines(joint.figures, [*alone, SERVED])
    pairs = [each for other in others for each in versus(joint, other, spoken, level)]
    gain = mean_gain(joint, alone, spoken, level)
    systems = [tally.system(level) for tally in tallies]
    first = next(trial.memory for trial in joint.trials if trial.state == "done")
    return Comparison(
        project=project.name,
        tables=dict(project.tables),
        versions=_versions(),
        notes=_notes(first, given, level, draws),
        warnings=first["warnings"],
        level=level,
        draws=draws,
        seeds=list(given),
        headlines=spoken,
        systems=systems,
        versus=pairs,
        mean_gain=gain,
        conflicts=conflicts(joint.trials, list(alone)),
        curves=first["curves"],
        verdict=verdict(list(alone), systems, pairs, gain),
    )


def _versions() -> dict[str, str]:
    from motet import __version__

    return {"motet": __version__, "torch": torch.__version__, "python": platform.python_version()}


def _notes(first: Mapping[str, Any], given: Sequence[Mapping[str, int]], level: float, draws: int) -> list[str]:
    """How the rows were chosen, what the seeds change, and what the intervals cover."""
    several = len(given) > 1
    drawn = ", ".join(f"{key} {', '.join(str(seed[key]) for seed in given)}" for key in given[0])
    same = "" if "split.seed" in given[0] or not several else " The test rows are the same for all seeds."
    chance = "users and seeds" if several else "users alone; use more seeds to cover the variation of training"
    return [
        f"{len(given)} seed{'s' * several}: {drawn}.{same}",
        f"Rows{' of the first' * several}: {first['about']}",
        f"Intervals of {100 * level:g}% over {chance}; {draws:,} bootstrap samples of users, the same for all systems.",
        "A specialist is the joint model with the weights of the other tasks at 0.",
        *first["notes"],
    ]
