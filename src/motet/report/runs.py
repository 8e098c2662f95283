"""Runs: reads folders of saved models, comparisons and sweeps, told apart by their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from motet.artifact.folder import MANIFEST, read_folder
from motet.compare.comparison import FILE as COMPARISON
from motet.compare.comparison import Comparison
from motet.compare.folder import PLAN, RULES, TRIALS, read_json, read_trials
from motet.compare.objective import Yardstick
from motet.compare.sweep_result import Sweep
from motet.errors import ConfigError
from motet.recommender import Recommender
from motet.report.record import Record

KNOWN = (
    f"a run folder is a saved model ({MANIFEST}), which `motet train -o` writes, a comparison ({COMPARISON}), which "
    f"`motet compare` writes, or a sweep ({PLAN} and {TRIALS}), which `motet sweep` writes"
)


@dataclass(frozen=True)
class Training:
    """A saved model.

    Attributes:
        record: How it was trained; None if it was saved without a record.
        recommender: The model; None if it needs a class that is not motet's own, or a package that is not installed.
    """

    record: Record | None
    recommender: Recommender | None


@dataclass(frozen=True)
class Runs:
    """What there is to report, by the name of its folder.

    Attributes:
        trainings: Saved models.
        comparisons: Joint models compared with their specialists and with simple rules.
        sweeps: Trainings with many settings.
    """

    trainings: dict[str, Training] = field(default_factory=dict)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    sweeps: dict[str, Sweep] = field(default_factory=dict)


def read_runs(folders: Sequence[str | Path]) -> Runs:
    """Read saved models, comparisons and sweeps, in any number.

    Args:
        folders: Folders of the runs.

    Returns:
        Their contents.

    Raises:
        ConfigError: If no folder is given, or one does not exist or holds no run.
        ArtifactError: If a saved model is damaged or from a newer motet.
        DataError: If a file of a comparison or a sweep is damaged.
    """
    if not folders:
        raise ConfigError(f"there is nothing to report on; give at least one run folder: {KNOWN}")
    runs = Runs()
    for given in dict.fromkeys(map(Path, folders)):
        known = {*runs.trainings, *runs.comparisons, *runs.sweeps}
        name = str(given) if given.name in known or not given.name else given.name
        if not given.is_dir():
            raise ConfigError(f"there is no folder {str(given)!r}; {KNOWN}")
        if (given / MANIFEST).exists():
            runs.trainings[name] = _training(given)
        elif (given / COMPARISON).exists():
            runs.comparisons[name] = Comparison.read(given)
        elif (given / PLAN).exists():
            runs.sweeps[name] = _sweep(given)
        else:
            held = sorted(file.name for file in given.iterdir())[:3]
            raise ConfigError(f"{str(given)!r} holds no run, only {', '.join(held) or 'no files'}; {KNOWN}")
    return runs


def _training(folder: Path) -> Training:
    record = Record.read(read_folder(folder))
    try:
        return Training(record, Recommender.load(folder))
    except ConfigError:
        return Training(record, None)


def _sweep(folder: Path) -> Sweep:
    """What a sweep has written so far; it may still be running."""
    plan = read_json(folder / PLAN)
    keys = plan.get("objectives")
    if "rungs" in plan:
        raise ConfigError(
            f"{str(folder)!r} holds the trials of a search; train what it wrote: motet train tuned.toml -o model/"
        )
    if not keys:
        raise ConfigError(
            f"{str(folder)!r} holds a run that is not finished; wait for it, or start it again to continue"
        )
    trials = read_trials(folder)
    if not any(trial.state == "done" for trial in trials.values()):
        raise ConfigError(f"no trial of {str(folder)!r} is finished; wait for the sweep, or start it again to continue")
    ordered = tuple(trial for _, trial in sorted(trials.items()))
    told = read_json(folder / RULES)
    yardstick = Yardstick((), told.get("beside") or {}, tuple(told.get("notes") or ()), plan.get("units") or {})
    return Sweep(tuple(keys), ordered, yardstick)
