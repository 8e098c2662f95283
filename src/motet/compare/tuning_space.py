"""The default search space of `tune`: the settings that the parts of a project accept."""

from __future__ import annotations

from collections.abc import Mapping

from motet.compare.space import Choice, Dimension, Range, Settings, spread
from motet.project import Project
from motet.project.part import Part
from motet.project.settings import settings
from motet.train import RATE

FAR = 30.0  # a task's weight varies from a thirtieth to thirty times what it is
RATES: dict[str, Dimension] = {"lr": Range(1e-3, 0.05, log=True), "weight_decay": Range(1e-4, 1.0, log=True)}
BATCHES = (512, 1024, 2048, 4096, 8192)
TOWER: dict[str, Dimension] = {"dim": Choice((16, 32, 64, 128)), "dropout": Choice((0.0, 0.2, 0.4, 0.6))}
TASK: dict[str, Dimension] = {
    "hidden": Choice(([], [32], [64], [64, 32])),
    "dropout": Choice((0.0, 0.2, 0.4)),
    "temperature": Range(0.1, 2.0, log=True),
}
ADAM = (None, "Adam", "AdamW")  # optimizers that AdamW replaces, to search for its weight decay


def tuning_space(project: Project, weights: Mapping[str, float], rows: int) -> tuple[dict[str, Dimension], Settings]:
    """Sizes, rates and regularisation of the declared parts.

    Args:
        project: The project.
        weights: Weight of the loss of each task that is trained.
        rows: Number of training rows.

    Returns:
        Dimensions by key, and the settings that all trials share.
    """
    found: dict[str, Dimension] = {}
    for name, dimension in TOWER.items():
        if all(name in settings(tower.target) for tower in (project.user, project.item)):
            found[f"towers.*.{name}"] = dimension
    for number, task in enumerate(project.tasks, 1):
        found.update({f"tasks.{number}.{name}": each for name, each in TASK.items() if name in settings(task.target)})
    found.update({f"weights.{name}": _around(weight) for name, weight in list(weights.items())[1:]})
    batches = tuple(each for each in BATCHES if each <= rows)
    if len(batches) > 1:
        found["training.batch_size"] = Choice(batches)
    found["training.average"] = Choice((None, 0.99))
    kind = _kind(project.training.given.get("optimizer"))
    found.update({f"training.optimizer.{name}": each for name, each in RATES.items()} if kind in ADAM else {})
    return found, {"training.optimizer.kind": "AdamW"} if kind in ADAM else {}


def as_declared(project: Project, dimensions: Mapping[str, Dimension]) -> Settings:
    """The start of a search: the project's own settings, or the nearest ones in the search space.

    Args:
        project: The project.
        dimensions: The search space, by key.

    Returns:
        Settings by key, without those to which nothing in the search space is near.
    """
    found: Settings = {}
    for key, dimension in dimensions.items():
        value = project.setting(next(iter(spread(project, {key: None}))))
        if value is None and key == "training.optimizer.lr":
            value = RATE
        near = dimension.nearest(value)
        if near is not None or value in dimension.edges():
            found[key] = near
    return found


def _around(weight: float) -> Range:
    return Range(weight / FAR, weight * FAR, log=True)


def _kind(optimizer: Part | None) -> str | None:
    return None if optimizer is None else optimizer.target.__name__
