"""evaluate: every task of a model, or a baseline, measured on held-out rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor

from motet.baselines import Baseline, GlobalMean, Popularity
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.errors import ConfigError, DataError, did_you_mean
from motet.evaluation.corpus import Corpus, Metrics, Protocol
from motet.evaluation.report import Report
from motet.metrics.base import CorpusMetric, ListMetric, Metric, PointMetric
from motet.metrics.ranks import Ties, dot
from motet.metrics.topk import FactorizedTopK
from motet.model import Model
from motet.tasks.base import CorpusTask, Task

ROWS = 1 << 16  # rows embedded or scored at once


def evaluate(
    system: Model | Baseline,
    test: EventLog,
    *,
    train: EventLog,
    protocols: Sequence[Protocol] = ("all items", "unseen"),
    ks: Sequence[int] | None = None,
    ties: Ties = "pessimistic",
    baselines: bool = True,
    about: str | None = None,
    preference: Mapping[str, float] | None = None,
) -> Report:
    """Measure every task on the held-out rows that carry its labels.

    Users and items are embedded once, however many rows they have. Rows with an unknown item have no rank: they are
    left out of rankings, and counted in the notes. The model is left in the mode it was in.

    Args:
        system: A trained model, or a baseline.
        test: Held-out rows.
        train: The rows the system was trained on: what `unseen` leaves out, and what baselines are fitted on.
        protocols: What a held-out item is ranked among: `"all items"`, the whole catalogue, or `"unseen"`, the
            catalogue without what the user had in training.
        ks: Lengths of the list at which hit rates are taken; those of the task's `FactorizedTopK` where not given.
        ties: How equal scores rank; pessimistic, so that a constant scorer comes last.
        baselines: Whether to put popularity and the global mean beside the figures.
        about: How the rows were chosen, to stand in the notes: the `report` of a split.
        preference: The weighting a model with a `Preference` is asked for; the weights it has where not given.

    Returns:
        Figures by `task/metric` and `task/protocol/metric`; NaN where no row has the label.

    Raises:
        ConfigError: If a protocol or the tie rule is unknown, the item tower reads context, or a preference is asked
            of what takes none.
        DataError: If there are no rows, a label column is absent, test and training rows number their users or items
            differently, or a score is NaN.

    Example:
        >>> report = evaluate(model, test, train=train, about=split.report)  # doctest: +SKIP
        >>> report["retrieval/unseen/hit_rate@10"]  # doctest: +SKIP
    """
    _check(test, train, protocols)
    started = time.perf_counter()
    corpus = Corpus.of(test, train, protocols, ties)
    beside: dict[str, dict[str, float]] = {}
    if isinstance(system, Baseline):
        needs = () if system.label is None else (system.label,)
        if preference is not None:
            raise ConfigError(f"{system.name} is a simple rule and takes no preference; leave it out")
        _check_labels(system.name, needs, test)
        figures = _baseline(system, system.name, partial(_metrics, system, ks), test, corpus)
    else:
        for name, task in system.tasks.items():
            _check_labels(name, task.needs, test)
        with _evaluating(system):  # what a tower reads may depend on the mode
            corpus = replace(corpus, each_row=bool(system.user.context))
        figures = _model(system, ks, replace(test.batch(), preference=system.prefer(preference)), corpus)
        for name, task in system.tasks.items() if baselines else ():
            for part, baseline in _rules(task, train):
                weights = task.row_weights(test.batch())
                found = _baseline(baseline, name, partial(_metrics, task, ks, part), test, corpus, weights)
                beside.setdefault(baseline.name, {}).update(found)
    notes = [*([about] if about else []), *corpus.notes(test), *_asked(preference)]
    return Report(figures, beside, notes, time.perf_counter() - started)


def _asked(preference: Mapping[str, float] | None) -> list[str]:
    """What to note of a preference."""
    if preference is None:
        return []
    return [f"Asked for the weighting {', '.join(f'{name} {weight:g}' for name, weight in preference.items())}."]


def _metrics(of: Task | Baseline, ks: Sequence[int] | None, part: str | None = None) -> dict[str, Metric]:
    """Fresh metrics, with hit rates at the lengths asked for; of one part of what a task says, where asked for."""
    return {
        name: FactorizedTopK(ks, tfrs=metric.tfrs) if ks is not None and isinstance(metric, FactorizedTopK) else metric
        for name, metric in of.metrics().items()
        if part is None or _part(name) == part
    }


def _part(metric: str) -> str:
    """Which part of what a task says a metric is about: `buy` of `buy/auc`."""
    return metric.rpartition("/")[0]


def _model(model: Model, ks: Sequence[int] | None, test: Batch, corpus: Corpus) -> dict[str, float]:
    """Every task's figures."""
    device = next(model.parameters(), torch.zeros(())).device
    batch, corpus = test.to(device), corpus.to(device)
    ranked = {name: task for name, task in model.tasks.items() if isinstance(task, CorpusTask)}
    with _evaluating(model):
        figures = _points(model, {name: _only_points(_metrics(task, ks)) for name, task in model.tasks.items()}, batch)
        vectors = _catalogue(model, batch, corpus.catalogue) if ranked else None
        for name, task in ranked.items():
            assert vectors is not None
            with _naming(name):
                found = _ranked(model, task, partial(_metrics, task, ks), vectors, batch, corpus)
            figures.update({f"{name}/{key}": figure for key, figure in found.items()})
    return figures


def _points(
    model: Model, metrics: Mapping[str, Mapping[str, PointMetric | ListMetric]], batch: Batch
) -> dict[str, float]:
    """The figures that compare scores with the labels of their rows."""
    judged = {name: points for name, points in metrics.items() if points}
    for start in range(0, len(batch) if judged else 0, ROWS):
        rows = batch.take(slice(start, start + ROWS))
        scores = model.score(rows)
        for name, points in judged.items():
            task = model.tasks[name]
            weights, labels = task.row_weights(rows), task.judged
            parts = {"": scores[name]} if set(labels) <= {""} else model.score_parts(name, rows)
            for part, column in labels.items():
                own = {key: metric for key, metric in points.items() if _part(key) == part}
                with _naming(name):
                    _judge(own, parts[part], rows[column], rows.users, weights * ~rows[column].isnan())
    return {f"{name}/{key}": figure for name, points in judged.items() for key, figure in _computed(points).items()}


def _judge(
    points: Mapping[str, PointMetric | ListMetric], scores: Tensor, labels: Tensor, users: Tensor, weights: Tensor
) -> None:
    """Show rows to metrics, those of one user as a list where a metric reads lists."""
    for metric in points.values():
        if isinstance(metric, ListMetric):
            metric.update(scores, labels, users, weights)
        else:
            metric.update(scores, labels, weights)


def _only_points(metrics: Mapping[str, Metric]) -> dict[str, PointMetric | ListMetric]:
    return {name: metric for name, metric in metrics.items() if isinstance(metric, PointMetric | ListMetric)}


def _computed(metrics: Mapping[str, Metric]) -> dict[str, float]:
    return {key: figure for name, metric in metrics.items() for key, figure in metric.figures(name).items()}


def _ranked(
    model: Model, task: CorpusTask, metrics: Metrics, vectors: Tensor, batch: Batch, corpus: Corpus
) -> dict[str, float]:
    """The figures that read ranks: one query a user, or one a row where a user's vector depends on the row."""
    if not len(corpus.rows):
        return corpus.nothing(metrics)
    rows = batch.take(corpus.rows)
    queries = corpus.queries()
    asked = rows if corpus.each_row else batch.entities(batch.user_key, queries.user)
    items = batch.entities(batch.item_key, torch.arange(1, corpus.catalogue + 1, device=rows.users.device))
    scorer = dot(task.queries(_embed(model.embed_users, asked), asked), task.candidates(vectors, items))
    return corpus.figures(scorer, queries, metrics, task.row_weights(rows))


def _catalogue(model: Model, batch: Batch, size: int) -> Float[Tensor, "items dim"]:
    """Vectors of all items that have an id."""
    if model.item.context:
        raise ConfigError(
            f"the item tower reads the context {', '.join(model.item.context)}, so that items have no vector before "
            "an event: the catalogue cannot be ranked; move these columns to the user tower"
        )
    return _embed(model.item, batch.entities(batch.item_key, torch.arange(1, size + 1, device=batch.users.device)))


def _embed(embed: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
    return torch.cat([embed(batch.take(slice(start, start + ROWS))) for start in range(0, len(batch), ROWS)])


def _rules(task: Task, train: EventLog) -> list[tuple[str | None, Baseline]]:
    """What a task has to beat, and in which part of what it says."""
    metrics = task.metrics().values()
    rules: list[tuple[str | None, Baseline]] = []
    if any(isinstance(metric, CorpusMetric) for metric in metrics):
        rules.append((None, Popularity(train)))
    if any(isinstance(metric, PointMetric) for metric in metrics):
        own = train if task.where is None else train.take(task.rows.chosen(train.batch()))
        labels = {part: label for part, label in task.judged.items() if label in own.columns}
        rules += [(part, GlobalMean(own, label)) for part, label in labels.items() if _any(own.columns[label])]
    return rules


def _any(labels: Tensor) -> bool:
    return bool((~labels.isnan()).any())


def _baseline(
    baseline: Baseline,
    name: str,
    metrics: Metrics,
    test: EventLog,
    corpus: Corpus,
    weights: Float[Tensor, " rows"] | None = None,
) -> dict[str, float]:
    """A baseline's figures, under the name of the task it stands beside."""
    batch = test.batch()
    weights = torch.ones(len(batch)) if weights is None else weights
    if baseline.label is None:
        queries = corpus.queries()
        found = corpus.figures(
            lambda rows, columns: baseline.scores(queries.user[rows, None], columns + 1),
            queries,
            metrics,
            weights[corpus.rows],
        )
    else:
        labels = batch[baseline.label]
        weights = weights * ~labels.isnan()
        scores = baseline.scores(batch.users, batch.items)
        points = _only_points(metrics())
        _judge(points, scores, labels, batch.users, weights)
        found = _computed(points)
    return {f"{name}/{key}": figure for key, figure in found.items()}


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    """Evaluation mode and no gradients inside; every module back in its own mode afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def _naming(task: str) -> Iterator[None]:
    """Say whose scores an error is about."""
    try:
        yield
    except DataError as error:
        raise DataError(f"task {task!r}: {error}") from error


def _check(test: EventLog, train: EventLog, protocols: Sequence[str]) -> None:
    for protocol in protocols:
        if protocol not in get_args(Protocol):
            hint = did_you_mean(protocol, get_args(Protocol))
            raise ConfigError(f"protocol {protocol!r} is not one of {', '.join(get_args(Protocol))}{hint}")
    if not len(test):
        raise DataError("there are no test rows; give at least one")
    if len(test.users) != len(train.users) or len(test.items) != len(train.items):
        raise DataError(
            f"test rows number {len(test.users) - 1:,} users and {len(test.items) - 1:,} items, training rows "
            f"{len(train.users) - 1:,} and {len(train.items) - 1:,}; take both from one split, or read the test with "
            "train.encode(...)"
        )


def _check_labels(name: str, needs: Sequence[str], test: EventLog) -> None:
    for column in needs:
        if column not in test.columns:
            hint = did_you_mean(column, test.columns)
            raise DataError(f"{name!r} is judged by column {column!r}, which is not in the test log{hint}")
