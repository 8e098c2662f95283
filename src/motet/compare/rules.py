"""Rules: the baselines that a joint model has to beat, each beside the tasks it can speak of."""

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
from motet.evaluation.collect import metrics_of, of_baseline
from motet.evaluation.corpus import PROTOCOLS, Corpus
from motet.metrics.base import CorpusMetric, ListMetric, Metric, PointMetric
from motet.model import Model
from motet.project import Project
from motet.project.part import Part
from motet.project.settings import settings
from motet.tasks.base import Task

LISTS: tuple[type[Metric], ...] = (CorpusMetric,)
LABELS: tuple[type[Metric], ...] = (PointMetric, ListMetric)


@dataclass(frozen=True)
class Place:
    """What a rule stands beside.

    Attributes:
        task: Name of the task.
        part: The part of what the task says; None for lists of the catalogue.
        make: Fits the rule on training rows.
    """

    task: str
    part: str | None
    make: Callable[[EventLog], Baseline]


def rules(project: Project, tasks: Mapping[str, Task]) -> dict[str, list[Place]]:
    """The rules that a project is held against.

    Args:
        project: Those of its tables `[[baselines]]`; the cheap ones where it has none: popularity and, where scipy is
            installed, item kNN beside every task that ranks the catalogue; the mean and the biases of users and items
            beside every task that is judged by labels, each fitted on the task's rows.
        tasks: By name.

    Returns:
        Places by the name of the rule.

    Raises:
        ConfigError: If a declared rule speaks of no task, or two have one name.
    """
    if not project.baselines:
        return _cheap(tasks)
    found: dict[str, list[Place]] = {}
    for part in project.baselines:
        name = part.given.get("name") or _default(part.target, "name")
        if name in found:
            raise ConfigError(f"{part.place}: two baselines are called {name!r}; give one of them another name")
        found[name] = _declared(part, tasks)
    return found


def judged(fitted: Sequence[tuple[Place, Baseline]], model: Model, test: EventLog, train: EventLog) -> Report:
    """What a rule reaches.

    Args:
        fitted: The rule in each of its places, fitted on the training rows.
        model: Whose tasks.
        test: Held-out rows.
        train: The training rows.

    Returns:
        Figures under the keys of the tasks, of the same rows as the model's.
    """
    corpus = replace(Corpus.of(test, train, PROTOCOLS, "pessimistic"), each_row=bool(model.user.context))
    batch = test.batch()
    evidence = []
    for place, rule in fitted:
        task = model.tasks[place.task]
        metrics = partial(metrics_of, task, None, LISTS if place.part is None else LABELS, place.part)
        weights = task.row_weights(batch)
        evidence += of_baseline(rule, metrics, batch, corpus, name=place.task, weights=weights)
    return Report.of(evidence)


def _cheap(tasks: Mapping[str, Task]) -> dict[str, list[Place]]:
    lists = (Popularity, ItemKNN) if find_spec("scipy") else (Popularity,)
    found: dict[str, list[Place]] = {}

    def put(kind: Callable[..., Baseline], task: Task, part: str | None, **label: str) -> None:
        place = Place(task.name, part, partial(kind, where=task.where, **label))
        found.setdefault(_default(kind, "name"), []).append(place)

    for task in tasks.values():
        for kind in lists if _ranks(task) else ():
            put(kind, task, None)
        for part, label in _labels(task):
            put(GlobalMean, task, part, label=label)
            put(UserItemBias, task, part, label=label)
    return found


def _declared(rule: Part, tasks: Mapping[str, Task]) -> list[Place]:
    """The tasks a declared rule can speak of."""

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
            f"{told} predicts {label!r}, by which no task is judged{did_you_mean(label, labels)}; "
            f"labels: {', '.join(labels) or 'none'}"
        )
    return places


def _ranks(task: Task) -> bool:
    return bool(metrics_of(task, None, LISTS))


def _labels(task: Task) -> Iterator[tuple[str, str]]:
    """Parts of what a task says that are judged by a label, and the label."""
    for part, label in task.judged.items():
        if metrics_of(task, None, LABELS, part):
            yield part, label


def _default(kind: Callable[..., Any], name: str) -> Any:
    """What an argument is where a file does not give it; None where there is no such argument."""
    known = settings(kind)
    return known[name].default if name in known else None
