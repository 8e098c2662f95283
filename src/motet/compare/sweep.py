"""sweep: train a project with many settings, for the trade-off between objectives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from motet.arguments import checked
from motet.compare.fingerprint import fingerprints
from motet.compare.folder import PLAN, RunFolder, read_json, read_trials
from motet.compare.objective import Yardstick
from motet.compare.objective import objectives as one_a_task
from motet.compare.progress import trial_progress
from motet.compare.run import Propose, run
from motet.compare.sampler import Optuna, Sampler, listed
from motet.compare.space import Dimension, Range, Settings, grid, shares, space, spread
from motet.compare.sweep_result import Sweep
from motet.compare.trial import Trial
from motet.compare.work import Declaration, judge
from motet.compare.workers import workers
from motet.errors import ConfigError, TrainingError
from motet.metrics.direction import lower_is_better
from motet.project import Project
from motet.project.rewrite import rewrite
from motet.project.tables import with_settings

WEIGHTS = 11  # points of the default grid of weights
TRIALS = 40  # default number of trials of a sampler
FAR = 100  # a weight varies by this factor in both directions


@checked
def sweep(
    project: Project,
    *,
    over: Mapping[str, str | Sequence[Any]] | None = None,
    weights: int | None = None,
    objectives: Sequence[str] | None = None,
    sampler: Sampler = "grid",
    trials: int | None = None,
    seeds: Sequence[int] | None = None,
    seed: int = 0,
    jobs: int = 1,
    ray: str | None = None,
    folder: str | Path = "sweep",
    progress: bool = True,
) -> Sweep:
    """Train a project with many settings, and evaluate each trial on the validation rows, never on the test rows.

    Probabilities are evaluated uncalibrated, because calibration would be fitted on these same rows. It affects only
    `log_loss` and `ece`: RMSE, AUC and ranking metrics stay the same.

    Args:
        project: A project with validation rows.
        over: Values to try, by `table.key`, tasks counting from 1: a list, or text such as `"5,10"` or
            `"16..128:log"`. `*` stands for every table: `"towers.*.dim"`. By default the weights of the tasks.
        weights: Try a grid of task weights, with this many points from one task alone to another alone. They are
            multiples of the declared weights, so that the middle of the grid is the project itself.
        objectives: Keys of validation metrics. By default one per task that is trained: NDCG@10 of unseen items, RMSE
            or AUC.
        sampler: `"grid"` tries every combination. `"gp"` fits a Gaussian process and finds better fronts with fewer
            trials, at a cost of seconds per trial; `"tpe"`, `"nsga2"` and `"random"` are faster. All but the grid
            need the extra `tune`.
        trials: Number of trials at most; by default the whole grid, or 40 with a sampler.
        seeds: Train each trial with each of these seeds, and average; by default the seed of the project.
        seed: Seed of the sampler.
        jobs: Number of trainings in parallel, each in a process with its share of the cores.
        ray: Address of a Ray cluster to train on, `"auto"` or `"local"`; needs the extra `ray`.
        folder: Folder for the trials. An interrupted sweep resumes from there.
        progress: Whether to show a progress bar on stderr.

    Returns:
        All trials, and their Pareto front.

    Raises:
        ConfigError: If a setting, a range or an objective is unknown or empty, the project has no validation rows,
            the folder holds another sweep, or another process is using it.
        TrainingError: If no trial could be trained.
        ArtifactError: If the disk is full; finished trials are kept.

    Example:
        >>> found = sweep(project, over={"training.epochs": [5, 10]}, weights=5, jobs=2)  # doctest: +SKIP
        >>> print(found.frame().filter(pl.col("front")))  # doctest: +SKIP
    """
    if trials is not None and trials < 1:
        raise ConfigError(f"trials={trials}; a sweep trains at least one")
    yardstick = Yardstick.of(project)
    units = _units(Path(folder), yardstick.weights)
    trained = {name: unit for name, unit in units.items() if unit > 0}
    judged = [name for name in units if name in trained or f"weights.{name}" in (over or {})]
    keys = one_a_task(yardstick.keys, judged) if objectives is None else tuple(objectives)
    yardstick.check(keys)
    dimensions = space(project, over or {})
    if sampler == "grid":
        ways = list(_ways(dimensions, trained, WEIGHTS if weights is None and not dimensions else weights))
        total = len(ways) if trials is None else min(trials, len(ways))
        propose: Propose = listed(ways)
        swept = ways[0]
    else:
        total = TRIALS if trials is None else trials
        swept = dimensions = dimensions or _free(trained, weights, sampler)
        propose = _drawn(dimensions, sampler, keys, seed)
    declaration = Declaration.of(project)
    plan = {
        "project": _rest(project, declaration, swept),
        "data": fingerprints(project),
        **{"over": over, "weights": weights, "objectives": keys, "sampler": sampler},
        **{"seeds": seeds, "seed": seed, "units": units},
    }
    drawn = [project.seed] if seeds is None else list(seeds)
    crew = workers(jobs, ray)  # first: it raises, and a folder that holds a run admits no other
    with (
        RunFolder(folder, plan) as held,
        crew as at_work,
        trial_progress(total, shown=progress) as told,
    ):
        held.write_rules(yardstick.beside, yardstick.notes)
        found = run(
            held,
            at_work,
            propose=propose,
            call=lambda trial, _: (judge, (trial, declaration, drawn)),
            told=told,
            most=total,
        )
    if not any(trial.state == "done" for trial in found):
        raise TrainingError(f"not one of {len(found)} trials could be trained; the first: {found[0].error}")
    return Sweep(keys, tuple(found), yardstick)


def choose(project: Project, number: int, folder: str | Path = "sweep") -> Trial:
    """Write the settings of a trial into the project file, and keep its comments.

    Args:
        project: A project read from a file.
        number: Number of the trial.
        folder: Folder of the sweep.

    Returns:
        The trial.

    Raises:
        ConfigError: If the project was not read from a file, there is no sweep in the folder, or no finished trial of
            this number.
        DataError: If the folder is damaged.
    """
    if project.file is None:
        raise ConfigError("the project was not read from a file, so there is none to write into; use Project.read")
    if not (Path(folder) / PLAN).exists():
        raise ConfigError(f"there is no sweep in {folder}; name its folder with -o, or start it with: motet sweep")
    trials = read_trials(Path(folder))
    done = sorted(trial.number for trial in trials.values() if trial.state == "done")
    if number not in done:
        state = f"is {trials[number].state}" if number in trials else "does not exist"
        listed = ", ".join(map(str, done)) or "none"
        raise ConfigError(f"trial {number} {state} in {folder}; finished trials: {listed}")
    rewrite(project.file, spread(project, trials[number].settings))
    return trials[number]


def _ways(dimensions: Mapping[str, Dimension], units: Mapping[str, float], weights: int | None) -> Iterator[Settings]:
    """Every combination of settings, and of weights if these are tried."""
    names = list(units)
    shared = [()] if weights is None else shares(names, weights)
    for share in shared:
        own = {
            f"weights.{name}": float(f"{part * len(names) * units[name]:.6g}")
            for name, part in zip(names, share, strict=False)
        }
        for settings in grid(dimensions):
            yield {**own, **settings}


def _free(units: Mapping[str, float], weights: int | None, sampler: Sampler) -> dict[str, Dimension]:
    """Ranges of weights, except that of the first task: only their ratios matter."""
    if weights is not None:
        raise ConfigError(
            f"weights={weights} is a grid; for the sampler {sampler!r} give ranges, as in over "
            f"weights.{list(units)[-1]}=.1..100:log, or leave weights out"
        )
    if len(units) < 2:
        raise ConfigError("the only task's weight changes nothing; name settings to try with over")
    return {f"weights.{name}": Range(unit / FAR, unit * FAR, log=True) for name, unit in list(units.items())[1:]}


def _drawn(dimensions: Mapping[str, Dimension], sampler: Sampler, keys: Sequence[str], seed: int) -> Propose:
    def worth(trial: Trial) -> list[float]:
        return [-trial.figure(key) if lower_is_better(key) else trial.figure(key) for key in keys]

    return Optuna(dimensions=dimensions, sampler=sampler, worth=worth, objectives=len(keys), seed=seed)


def _units(folder: Path, declared: Mapping[str, float]) -> dict[str, float]:
    """The weights that shares refer to; in a resumed sweep, those it began with."""
    file = folder / PLAN
    return dict(read_json(file).get("units", declared) if file.exists() else declared)


def _rest(project: Project, declaration: Declaration, swept: Iterable[str]) -> dict[str, Any]:
    """The settings that all trials share: the tables without those that are tried."""
    tables = with_settings(declaration.tables, dict.fromkeys(spread(project, dict.fromkeys(swept))))
    return {name: table for name, table in tables.items() if name not in ("sweep", "tune")}
