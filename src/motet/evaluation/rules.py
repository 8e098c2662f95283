"""Simple rules that are evaluated on the same rows as a model or a baseline, for comparison."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from motet.baselines import Baseline, GlobalMean, Popularity, UserItemBias
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.evaluation.collect import LABELLED, RANKED, evidence_of_baseline, metrics_of
from motet.evaluation.corpus import Corpus
from motet.evaluation.evidence import Evidence
from motet.metrics.base import CorpusMetric, ListMetric, Metric, PointMetric
from motet.model import Model
from motet.tasks.base import Task


def evidence_of_rules(
    system: Model | Baseline, batch: Batch, train: EventLog, corpus: Corpus, ks: Sequence[int] | None
) -> dict[str, list[Evidence]]:
    """Score or rank the test rows by a simple rule for each task of a model, or for a baseline.

    Args:
        system: The model, or the baseline.
        batch: The test rows.
        train: The rows that the rules are fitted on.
        corpus: The positives among the test rows.
        ks: List lengths, as in `metrics_of`.

    Returns:
        Evidence by rule: popularity for tasks that rank the catalogue, the global mean for tasks that predict a label,
        the item mean for tasks that order the rows of a user. A baseline that is such a rule itself has none.
    """
    found: dict[str, list[Evidence]] = {}
    for name, task, part, rule in _beside(system, train):
        metrics = partial(metrics_of, task, ks, metric_kinds(rule), part)
        weights = task.rows.weights(batch) if isinstance(task, Baseline) else task.row_weights(batch)
        evidence = evidence_of_baseline(rule, metrics, batch, corpus, name=name, weights=weights)
        found.setdefault(rule.name, []).extend(evidence)
    return found


def _beside(system: Model | Baseline, train: EventLog) -> Iterator[tuple[str, Task | Baseline, str | None, Baseline]]:
    """Each task, or the baseline: its name, itself, the part of its output that is compared, and the rule."""
    if isinstance(system, Popularity | GlobalMean):
        return
    if isinstance(system, Baseline):
        yield system.name, system, None, simplest(system, train)
        return
    for name, task in system.tasks.items():
        for part, rule in _rules(task, train):
            yield name, task, part, rule


def simplest(baseline: Baseline, train: EventLog) -> Popularity | GlobalMean:
    """The simplest rule that does what a baseline does.

    Args:
        baseline: The baseline.
        train: The training rows.

    Returns:
        Popularity, or the mean of its label, among the rows that its `where` selects.
    """
    where = baseline.rows.where
    return Popularity(train, where=where) if baseline.label is None else GlobalMean(train, baseline.label, where=where)


def metric_kinds(baseline: Baseline) -> tuple[type[Metric], ...]:
    """The metrics that apply to a baseline.

    Args:
        baseline: The baseline.

    Returns:
        Metrics of ranks, or metrics of labels.
    """
    return RANKED if baseline.label is None else LABELLED


def popularity(train: EventLog, *tasks: Task) -> Popularity:
    """Popularity among the rows that are positives of a task: how often an item was bought, where that is predicted.

    Args:
        train: The training rows.
        *tasks: The tasks that rank the catalogue.

    Returns:
        The rule; by all rows for several tasks, or if none of these rows is a positive.
    """
    batch = train.batch()
    if len(tasks) == 1 and tasks[0].has_columns(batch) and bool((tasks[0].row_weights(batch) > 0).any()):
        return Popularity(train, where=tasks[0].where)
    return Popularity(train)


def _rules(task: Task, train: EventLog) -> Iterator[tuple[str | None, Baseline]]:
    """The rules for a task, with the part of its output that each applies to."""
    metrics = task.metrics().values()
    if any(isinstance(metric, CorpusMetric) for metric in metrics):
        yield None, popularity(train, task)
    own = train if task.where is None else train.take(task.rows.chosen(train.batch()))
    for kind, rule in ((PointMetric, GlobalMean), (ListMetric, _item_mean)):
        if any(isinstance(metric, kind) for metric in metrics):
            for part, label in task.judged.items():
                if label in own.columns and bool((~own.columns[label].isnan()).any()):
                    yield part, rule(own, label)


def _item_mean(train: EventLog, label: str) -> Baseline:
    """The mean label of each item, shrunk towards the global mean if it has few."""
    return UserItemBias(train, label, name="item mean", user_regularization=math.inf, clip=False)
