"""Systems: the joint model, its specialists and the baselines, as changes to one project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from motet.compare.comparison import Kind
from motet.compare.objective import objectives
from motet.compare.rules import rules
from motet.errors import ConfigError
from motet.evaluation.collect import keys_of
from motet.model import Model
from motet.project import Project
from motet.project.settings import settings
from motet.tasks.base import CorpusTask

SEEDED = ("split", "validation", "pairs", "lists")  # tables whose rows a seed may draw


@dataclass(frozen=True)
class Contender:
    """A system of a comparison, before it is trained or fitted.

    Attributes:
        name: Name of the system.
        kind: `"joint"`, `"specialist"` or `"baseline"`.
        task: The task of a specialist; None for other systems.
        changes: The settings that differ from the project, by `table.key`.
    """

    name: str
    kind: Kind
    task: str | None
    changes: Mapping[str, Any]


def contenders(project: Project, model: Model) -> list[Contender]:
    """The systems to compare.

    A specialist is the joint model with the weights of the other tasks at 0: towers, rows, epochs and initial weights
    are the same. Balancer and preference, which are for several tasks, are left out. If early stopping watches another
    task, a specialist watches its own headline metric. Its lists are made like those of the joint model, but with its
    own task in place of others; if its task does not rank the catalogue, it scores every item.

    Args:
        project: The project.
        model: Its untrained model.

    Returns:
        The joint model, a specialist for each task, and the baselines.

    Raises:
        ConfigError: If fewer than two tasks are trained, or a baseline has the name of a model.
    """
    trained = {name: task for name, task in model.tasks.items() if model.weights[name] > 0}
    if len(trained) < 2:
        raise ConfigError(
            f"{project.name} trains {' and '.join(map(repr, trained)) or 'no task'} alone, so that there is nothing "
            "joint to compare; add another table [[tasks]], or give one a weight above 0; motet train judges a single "
            "task"
        )
    alone = [Contender(f"{name} only", "specialist", name, _alone(project, model, name)) for name in trained]
    found = [Contender("joint", "joint", None, {}), *alone]
    named = {each.name for each in found}
    for name in rules(project, trained):
        if name in named:
            raise ConfigError(f"a baseline is called {name!r}, as a model of the comparison is; give it another name")
        found.append(Contender(name, "baseline", None, {}))
    return found


def seeds(project: Project, count: int) -> list[dict[str, int]]:
    """The settings that each seed changes; the first seed is the unchanged project.

    Args:
        project: The project.
        count: Number of seeds.

    Returns:
        Settings by `table.key`, a seed each: of the training, and of a split, validation rows, pairs and lists that are
        drawn.

    Raises:
        ConfigError: If `count` is below 1.
    """
    if count < 1:
        raise ConfigError(f"seeds={count}; at least one training has to be made, and 3 show how far chance goes")
    declared = {"training.seed": project.seed}
    for table in SEEDED:
        part = getattr(project, table)
        if part is not None and "seed" in settings(part.target):
            declared[f"{table}.seed"] = int(part.given.get("seed", 0))
    return [{key: seed + number for key, seed in declared.items()} for number in range(count)]


def _alone(project: Project, model: Model, task: str) -> dict[str, Any]:
    weights = {f"weights.{name}": 0.0 for name in model.tasks if name != task}
    alone = {"balancer": None, "preference": None, **_watching(project, model, task)}
    if project.document.recommend:
        own = project.document.recommend.get("by", {}).get(task, 1.0)
        by = {task: own} if own < 0 else None  # what moves items down does so alone too
        alone |= {"recommend.by": by, "recommend.retrieve": _sources(project, model, task)}
    return {**weights, **alone}


def _sources(project: Project, model: Model, task: str) -> list[Any] | None:
    """The stages of retrieval with one task in place of all others; None if the task does not retrieve."""
    declared = project.document.recommend.get("retrieve")
    if not isinstance(model.tasks[task], CorpusTask) or declared is None:
        return None

    def own(stage: Any) -> list[Any]:
        sources = stage if isinstance(stage, list) else [stage]
        retrievers = [{**each, "by": task} if "by" in each else each for each in sources if isinstance(each, dict)]
        return [*retrievers, task] if any(isinstance(each, str) for each in sources) else retrievers

    return [own(stage) for stage in declared]


def _watching(project: Project, model: Model, task: str) -> dict[str, Any]:
    """Early stopping by a figure of the task's own; a task that learns from pairs has none, and does not stop early."""
    stopping = project.training.given.get("early_stopping")
    if stopping is None or str(stopping.given["metric"]).startswith(f"{task}/"):
        return {}
    if project.pairs is not None and project.pairs.given["label"] in model.tasks[task].needs:
        return {"training.early_stopping": None}
    own = objectives(keys_of(model.tasks[task]), [task])[0]
    return {"training.early_stopping.metric": own, "training.early_stopping.lower_is_better": None}
