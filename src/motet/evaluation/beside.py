"""Beside: what simple rules say about the rows that a system is judged by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from motet.baselines import Baseline, GlobalMean, Popularity, UserItemBias
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.evaluation.collect import metrics_of, of_baseline
from motet.evaluation.corpus import Corpus
from motet.evaluation.evidence import Evidence
from motet.metrics.base import CorpusMetric, ListMetric, Metric, PointMetric
from motet.model import Model
from motet.tasks.base import Task


def of_rules(
    model: Model, batch: Batch, train: EventLog, corpus: Corpus, ks: Sequence[int] | None
) -> dict[str, list[Evidence]]:
    """What simple rules say in place of a model's tasks.

    Args:
        model: Whose tasks.
        batch: The test rows.
        train: What the rules are fitted on.
        corpus: The positives among the test rows.
        ks: Lengths of the list, as in `metrics_of`.

    Returns:
        Evidence by the name of the rule: popularity for what ranks the catalogue, the global mean for what predicts a
        label, the mean of each item for what orders a user's rows.
    """
    found: dict[str, list[Evidence]] = {}
    for name, task in model.tasks.items():
        for part, baseline in _rules(task, train):
            metrics = partial(metrics_of, task, ks, kinds(baseline), part)
            evidence = of_baseline(baseline, metrics, batch, corpus, name=name, weights=task.row_weights(batch))
            found.setdefault(baseline.name, []).extend(evidence)
    return found


def kinds(baseline: Baseline) -> tuple[type[Metric], ...]:
    """Which metrics a baseline can be judged by.

    Args:
        baseline: Any.

    Returns:
        Those of ranks, or those of labels.
    """
    return (CorpusMetric,) if baseline.label is None else (PointMetric, ListMetric)


def _rules(task: Task, train: EventLog) -> Iterator[tuple[str | None, Baseline]]:
    """What a task has to beat, and in which part of what it says."""
    metrics = task.metrics().values()
    if any(isinstance(metric, CorpusMetric) for metric in metrics):
        yield None, Popularity(train)
    own = train if task.where is None else train.take(task.rows.chosen(train.batch()))
    for kind, rule in ((PointMetric, GlobalMean), (ListMetric, _item_mean)):
        if any(isinstance(metric, kind) for metric in metrics):
            for part, label in task.judged.items():
                if label in own.columns and bool((~own.columns[label].isnan()).any()):
                    yield part, rule(own, label)


def _item_mean(train: EventLog, label: str) -> Baseline:
    """The mean label of each item, drawn towards that of all where there are few: an order for every list."""
    return UserItemBias(train, label, name="item mean", user_regularization=math.inf, clip=False)
