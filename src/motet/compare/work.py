"""The job of a worker: train a project with some settings, and evaluate it on the validation rows."""

from __future__ import annotations

import math
import pickle
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from motet.compare.fingerprint import stamps
from motet.compare.objective import Score
from motet.compare.space import spread
from motet.compare.trial import Trial
from motet.evaluation import evaluate
from motet.project import Divided, Project

# Tables that determine the rows.
READING = ("data", "schema", "mix", "pairs", "lists", "split", "validation", "sessions", "recent")


@dataclass(frozen=True)
class Declaration:
    """A project in a form that can be sent to a worker.

    Attributes:
        tables: Parsed TOML.
        file: The project file.
    """

    tables: Mapping[str, Any]
    file: Path | None

    @classmethod
    def of(cls, project: Project) -> Declaration:
        """Make the declaration of a project.

        Args:
            project: The project. Checkpoints are removed, because trials would share them.

        Returns:
            Its declaration, with an absolute path.
        """
        tables = project.changed({"training.checkpoint": None, "training.resume": None}).tables
        return cls(tables, None if project.file is None else project.file.absolute())

    def project(self, settings: Mapping[str, Any]) -> Project:
        """Make the project.

        Args:
            settings: Settings to change, by `table.key`; keys may contain stars.

        Returns:
            The project.
        """
        project = Project(self.tables, file=self.file)
        return project.changed(spread(project, settings))


def judge(trial: Trial, declaration: Declaration, seeds: Sequence[int]) -> Trial:
    """Train with the settings of a trial, once per seed, and evaluate on the validation rows.

    Args:
        trial: The started trial.
        declaration: The project.
        seeds: Seeds of the training; the rows stay the same.

    Returns:
        The finished trial.
    """
    started = time.perf_counter()
    found: dict[str, list[float]] = {}
    for seed in seeds:
        project = declaration.project({**trial.settings, "training.seed": seed})
        rows = rows_of(project)
        assert rows.validation is not None
        model = project.model(rows.train)
        watched = rows.validation if "early_stopping" in project.training.given else None
        project.fit(model, rows, validation=watched)
        for key, figure in evaluate(model, rows.validation, train=rows.train, baselines=False).items():
            found.setdefault(key, []).append(figure)
    known = {key: figures for key, figures in found.items() if not any(map(math.isnan, figures))}
    spread = {key: stdev(figures) for key, figures in known.items() if len(seeds) > 1}
    means = {key: mean(figures) for key, figures in known.items()}
    return replace(trial, state="done", figures=means, spread=spread, seconds=time.perf_counter() - started)


def race(trial: Trial, declaration: Declaration, score: Score, bars: Mapping[int, float]) -> Trial:
    """Train with the settings of a trial for as long as its score keeps up, and record its best epoch.

    Args:
        trial: The started trial.
        declaration: The project.
        score: The objective.
        bars: The score needed to continue, by number of epochs, ascending. Training also ends if the best epoch is in
            the first half of the epochs so far.

    Returns:
        The trial, done or pruned, with the metrics of its best epoch.
    """
    started = time.perf_counter()
    project = declaration.project({**trial.settings, "training.early_stopping": None})
    rows = rows_of(project)
    model = project.model(rows.train)
    ended = replace(trial, state="done")
    with tempfile.TemporaryDirectory() as folder:
        for epochs, bar in bars.items():
            place = Path(folder) / "checkpoint"
            history = project.fit(model, rows, validation=rows.validation, epochs=epochs, checkpoint=place, resume=True)
            figures = [_validation(row) for row in history.to_dicts()]
            worth = [score.of(each) for each in figures]
            best = max(range(epochs), key=worth.__getitem__)
            ended = replace(ended, figures=figures[best], epochs=best + 1, rungs={**ended.rungs, epochs: worth[best]})
            last = epochs == max(bars)
            if not last and worth[best] < bar:
                ended = replace(ended, state="pruned")
            if ended.state == "pruned" or 2 * (best + 1) <= epochs:
                break
    return replace(ended, seconds=time.perf_counter() - started)


def _validation(row: Mapping[str, Any]) -> dict[str, float]:
    own = {key.removeprefix("validation/"): figure for key, figure in row.items() if key.startswith("validation/")}
    return {key: figure for key, figure in own.items() if not math.isnan(figure)}


def rows_of(project: Project) -> Divided:
    """The rows of a project, cached in the process for all trials that share them.

    Args:
        project: The project of a trial.

    Returns:
        Its rows.
    """
    tables = {name: project.tables[name] for name in READING if name in project.tables}
    if "context" in project.document.recommend:
        tables["recommend"] = {"context": project.document.recommend["context"]}  # columns of the rows
    return _read(pickle.dumps((tables, stamps(project))), project.file)


@lru_cache(maxsize=2)
def _read(key: bytes, file: Path | None) -> Divided:
    """Read and divide the rows; the stamps in the key are there so that changed files are read again."""
    tables, _ = pickle.loads(key)
    project = Project({**tables, "tasks": ["Retrieval"]}, file=file)
    return project.divide(project.log())
