"""Rules: the baselines that a joint model has to beat, each for the tasks it applies to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Any

from motet.baselines import Baseline, GlobalMean, ItemKNN, Popularity, UserItemBias
from motet.data.log import EventLog
from motet.errors import ConfigError, did_you_mean
from motet.evaluation import Report
from motet.evaluation.collect import LABELLED, RANKED, evidence_of_baseline, metrics_of
from motet.evaluation.corpus import PROTOCOLS, Corpus
from motet.evaluation.rules import metric_kinds
from motet.model import Model
from motet.project import Project
from motet.project.part import Part
from motet.project.settings import settings
from motet.tasks.base import Task

ALWAYS: tuple[type[Baseline], ...] = (Popularity, GlobalMean)  # no figure is printed without one of them beside it


@dataclass(frozen=True)
class Place:
    """A task that a rule is compared in.

    Attributes:
        task: Name of the task.
        part: The output of the task that the rule predicts; None if it ranks the catalogue.
        make: Fits the rule on training rows.
    """

    task: str
    part: str | None
    make: Callable[[EventLog], Baseline]


def rules(project: Project, tasks: Mapping[str, Task]) -> dict[str, list[Place]]:
    """The rules that a project is compared with.

    Popularity always comes first for every task that ranks the catalogue, and the global mean for every task with a
    label, fitted on the rows of the task. The tables `[[baselines]]` add to them. Without such tables, item kNN (if
    scipy is installed) and the biases of users and items are added.

    Args:
        project: The project.
        tasks: By name.

    Returns:
        Places by the name of the rule.

    Raises:
        ConfigError: If a declared rule applies to no task, or two rules have the same name.
    """
    if not project.baselines:
        return _simple(
            tasks, (Popularity, ItemKNN) if find_spec("scipy") else (Popularity,), (GlobalMean, UserItemBias)
        )
    found = _simple(tasks, (Popularity,), (GlobalMean,))
    for part in project.baselines:
        name = part.given.get("name") or _default(part.target, "name")
        places = _declared(part, tasks)
        if part.target in ALWAYS and name in found and part.given.keys() <= {"name", "label"}:
            continue  # it is there already
        if name in found:
            raise ConfigError(f"{part.place}: there is another baseline called {name!r}; give this one another name")
        found[name] = places
    return found


def judged(fitted: Sequence[tuple[Place, Baseline]], model: Model, test: EventLog, train: EventLog) -> Report:
    """Evaluate a rule on the rows on which the model is evaluated.

    Args:
        fitted: The rule in each of its places, fitted on the training rows.
        model: The model whose tasks it is compared in.
        test: Held-out rows.
        train: The training rows.

    Returns:
        Metrics under the keys of the tasks.
    """
    corpus = replace(Corpus.of(test, train, PROTOCOLS, "pessimistic"), each_row=bool(model.user.context))
    batch = test.batch()
    evidence = []
    for place, rule in fitted:
        task = model.tasks[place.task]
        metrics = partial(metrics_of, task, None, metric_kinds(rule), place.part)
        weights = task.row_weights(batch)
        evidence += evidence_of_baseline(rule, metrics, batch, corpus, name=place.task, weights=weights)
    return Report.of(evidence)


def _simple(
    tasks: Mapping[str, Task], lists: Sequence[type[Baseline]], labels: Sequence[type[Baseline]]
) -> dict[str, list[Place]]:
    """Rules that rank the catalogue and rules that predict a label, fitted on the rows of each task."""
    found: dict[str, list[Place]] = {}

    def put(kind: Callable[..., Baseline], task: Task, part: str | None, **label: str) -> None:
        place = Place(task.name, part, partial(kind, where=task.where, **label))
        found.setdefault(_default(kind, "name"), []).append(place)

    for task in tasks.values():
        for kind in lists if _ranks(task) else ():
            put(kind, task, None)
        for part, label in _labels(task):
            for kind in labels:
                put(kind, task, part, label=label)
    return found


def _declared(rule: Part, tasks: Mapping[str, Task]) -> list[Place]:
    """The tasks that a declared rule applies to."""

    def make(train: EventLog) -> Baseline:
        baseline: Baseline = rule.make(log=train)
        return baseline

    told = f"{rule.place}: a {rule.target.__name__}"
    label = rule.given.get("label") or _default(rule.target, "label")
    if label is None:
        places = [Place(name, None, make) for name, task in tasks.items() if _ranks(task)]
        if not places:
            raise ConfigError(f"{told} ranks the catalogue, and no task of this project does")
        return places
    known = [(name, part, each) for name, task in tasks.items() for part, each in _labels(task)]
    places = [Place(name, part, make) for name, part, each in known if each == label]
    if not places:
        labels = list(dict.fromkeys(each for _, _, each in known))
        raise ConfigError(
            f"{told} predicts {label!r}, by which no task is judged{did_you_mean(label, labels)} "
            f"Labels: {', '.join(labels) or 'none'}."
        )
    return places


def _ranks(task: Task) -> bool:
    return bool(metrics_of(task, None, RANKED))


def _labels(task: Task) -> Iterator[tuple[str, str]]:
    """Outputs of a task that are compared with a label, each with its label."""
    for part, label in task.judged.items():
        if metrics_of(task, None, LABELLED, part):
            yield part, label


def _default(kind: Callable[..., Any], name: str) -> Any:
    """Default of an argument; None if there is no such argument."""
    known = settings(kind)
    return known[name].default if name in known else None
