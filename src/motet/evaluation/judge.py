"""evaluate: every task of a model, or a baseline, measured on held-out rows."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import get_args

import torch
from torch import Tensor

from motet.baselines import Baseline, GlobalMean, Popularity, Recommends, UserItemBias
from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.errors import ConfigError, DataError, did_you_mean
from motet.evaluation.collect import metrics_of, of_baseline, of_model
from motet.evaluation.corpus import Corpus, Protocol
from motet.evaluation.curves import of_levels, of_probabilities
from motet.evaluation.described import TwoStage
from motet.evaluation.evidence import Evidence
from motet.evaluation.leaks import absent, interleaved, telling, too_good
from motet.evaluation.notes import said
from motet.evaluation.report import Report
from motet.evaluation.served import product
from motet.evaluation.slices import masks
from motet.metrics.base import CorpusMetric, ListMetric, Metric, PointMetric
from motet.metrics.ranks import Ties
from motet.metrics.reliability import ReliabilityCurve
from motet.model import Model
from motet.tasks.base import Task


def evaluate(
    system: Model | Recommends,
    test: EventLog,
    *,
    train: EventLog,
    protocols: Sequence[Protocol] = ("all items", "unseen"),
    ks: Sequence[int] | None = None,
    ties: Ties = "pessimistic",
    baselines: bool = True,
    about: str | None = None,
    preference: Mapping[str, float] | None = None,
    slices: Sequence[str] = (),
    positives: str | None = None,
    thorough: bool = True,
) -> Report:
    """Measure every task on the held-out rows that carry its labels, and the lists that are served.

    Users and items are embedded once, however many rows they have. Rows with an unknown item have no rank: they are
    left out of rankings, and counted in the notes. The model is left in the mode it was in.

    Args:
        system: A trained model, a baseline, a `Recommender`, or anything that recommends: of what recommends, the lists
            that its users get are judged as well, under `served/unseen`; of what has a model, the model's tasks.
        test: Held-out rows.
        train: The rows the system was trained on: what `unseen` leaves out, and what baselines are fitted on.
        protocols: What a held-out item is ranked among: `"all items"`, the whole catalogue, or `"unseen"`, the
            catalogue without what the user had in training.
        ks: Lengths of the list at which hit rates are taken, and of the lists that are served; those of the task's
            `FactorizedTopK`, and 10, where not given.
        ties: How equal scores rank; pessimistic, so that a constant scorer comes last.
        baselines: Whether to put popularity and the global mean beside the figures.
        about: How the rows were chosen, to stand in the notes: the `report` of a split.
        preference: The weighting a model with a `Preference` is asked for; the weights it has where not given.
        slices: What to tell test rows apart by: `"users"` (new, rare, heavy), `"items"` (new, rare, popular),
            `"visited"` (whether the user had the item in training), or a column of the events, the users or the items.
            See `motet.evaluation.slices`.
        positives: Which held-out rows say that a served item was right: a condition such as `"event == 'purchase'"`.
            Where not given, the rows of the tasks that retrieve, else every row.
        thorough: Whether to look for leaks and to draw calibration curves too; `fit` does without while it trains.

    Returns:
        Figures by `task/metric`, `task/protocol/metric` and `served/unseen/metric`; NaN where no row has the label.

    Raises:
        ConfigError: If a protocol, the tie rule or a slice is unknown, one of `ks` is above the number of items, the
            item tower reads context, a preference is asked of what takes none, or `positives` of what serves no lists
            or where it holds for no row.
        DataError: If there are no rows, a label or context column is absent, the model, the test and the training rows
            do not number their users and items alike, or a score is NaN.

    Example:
        >>> report = evaluate(model, test, train=train, about=split.report)  # doctest: +SKIP
        >>> report["retrieval/unseen/hit_rate@10"]  # doctest: +SKIP
    """
    _check(test, train, protocols, ks)
    model, serves = _model(system), _serves(system)
    if positives is not None and not serves:
        raise ConfigError(
            f"positives={positives!r} says which rows judge the lists that are served, and a {type(system).__name__} "
            "serves none; evaluate Recommender(model, train)"
        )
    if model is not None:
        _check_schema(model, test)
    started = time.perf_counter()
    corpus = Corpus.of(test, train, protocols, ties)
    beside: dict[str, list[Evidence]] = {}
    evidence: list[Evidence] = []
    curves: dict[str, ReliabilityCurve] = {}
    if isinstance(system, Baseline):
        needs = () if system.label is None else (system.label,)
        if preference is not None:
            raise ConfigError(f"{system.name} is a simple rule and takes no preference; leave it out")
        _check_labels(system.name, needs, test)
        evidence = of_baseline(system, partial(metrics_of, system, ks, _kinds(system)), test.batch(), corpus)
    elif model is not None:
        for name, task in model.tasks.items():
            _check_labels(name, task.needs, test)
        with _evaluating(model):  # what a tower reads may depend on the mode
            corpus = replace(corpus, each_row=bool(model.user.context))
            batch = replace(test.batch(), preference=model.prefer(preference))
            evidence = of_model(model, batch, corpus, ks)
            curves = {**of_probabilities(evidence), **of_levels(model, batch)} if thorough else {}
        if baselines:
            beside = _beside(model, test.batch(), train, corpus, ks)
    notes = [*([about] if about else []), *corpus.notes(test), *_asked(preference), *said(evidence, test, corpus)]
    beyond: dict[str, dict[str, float]] = {}
    if isinstance(system, Recommends) and serves:
        popular = Popularity(train)
        if isinstance(system, TwoStage):
            popular.seen = system.seen
        rules = {popular.name: popular} if baselines and not isinstance(system, Baseline) else {}
        lists = product(system, rules, test, train=train, ks=ks, chosen=positives, preference=preference)
        evidence.append(lists.own.evidence)
        beyond = {name: listed.beyond for name, listed in [("", lists.own), *lists.beside.items()]}
        for name, listed in lists.beside.items():
            beside.setdefault(name, []).append(listed.evidence)
        notes += lists.notes
    report = _with(Report.of(evidence), beyond.get("", {}))
    rule_reports = {name: _with(Report.of(parts), beyond.get(name, {})) for name, parts in beside.items()}
    warnings: list[str] = []
    if thorough:
        tasks = () if model is None else model.tasks.values()
        warnings = [*interleaved(test, train), *absent(test, train), *telling(train, tasks)]
        warnings += too_good(report, rule_reports)
    parts = {name: Report.of([part.of(rows) for part in evidence]) for name, rows in masks(slices, test, train).items()}
    report = replace(report, beside=rule_reports, slices=parts, notes=notes, warnings=warnings, curves=curves)
    return replace(report, seconds=time.perf_counter() - started)


def _model(system: object) -> Model | None:
    """The model whose tasks are judged, if there is one."""
    if isinstance(system, Model):
        return system
    if isinstance(system, TwoStage):
        return system.model
    if not isinstance(system, Recommends):
        raise ConfigError(
            f"a {type(system).__name__} cannot be evaluated: give a Model, a Recommender, a baseline, or what has "
            "their recommend(users, k) and predict(users, items)"
        )
    return None


def _serves(system: object) -> bool:
    """Whether there are lists to judge: a rule that predicts a number orders nothing worth serving."""
    if isinstance(system, Baseline):
        return system.label is None
    return isinstance(system, Recommends)


def _with(report: Report, figures: Mapping[str, float]) -> Report:
    """A report with figures that no single row is evidence of."""
    return replace(report, figures={**report.figures, **figures})


def _asked(preference: Mapping[str, float] | None) -> list[str]:
    """What to note of a preference."""
    if preference is None:
        return []
    return [f"Asked for the weighting {', '.join(f'{name} {weight:g}' for name, weight in preference.items())}."]


def _rules(task: Task, train: EventLog) -> list[tuple[str | None, Baseline]]:
    """What a task has to beat, and in which part of what it says."""
    metrics = task.metrics().values()
    rules: list[tuple[str | None, Baseline]] = []
    if any(isinstance(metric, CorpusMetric) for metric in metrics):
        rules.append((None, Popularity(train)))
    if any(isinstance(metric, PointMetric | ListMetric) for metric in metrics):
        own = train if task.where is None else train.take(task.rows.chosen(train.batch()))
        labels = {part: label for part, label in task.judged.items() if label in own.columns}
        known = {part: label for part, label in labels.items() if _any(own.columns[label])}
        if any(isinstance(metric, PointMetric) for metric in metrics):
            rules += [(part, GlobalMean(own, label)) for part, label in known.items()]
        if any(isinstance(metric, ListMetric) for metric in metrics):
            rules += [(part, _item_mean(own, label)) for part, label in known.items()]
    return rules


def _item_mean(train: EventLog, label: str) -> Baseline:
    """The mean label of each item, drawn towards that of all where there are few: an order for every list."""
    return UserItemBias(train, label, name="item mean", user_regularization=math.inf, clip=False)


def _beside(
    model: Model, batch: Batch, train: EventLog, corpus: Corpus, ks: Sequence[int] | None
) -> dict[str, list[Evidence]]:
    """What simple rules say about the same rows, by their name."""
    found: dict[str, list[Evidence]] = {}
    for name, task in model.tasks.items():
        for part, baseline in _rules(task, train):
            metrics = partial(metrics_of, task, ks, _kinds(baseline), part)
            evidence = of_baseline(baseline, metrics, batch, corpus, name=name, weights=task.row_weights(batch))
            found.setdefault(baseline.name, []).extend(evidence)
    return found


def _kinds(baseline: Baseline) -> tuple[type[Metric], ...]:
    """Which metrics a baseline can be judged by."""
    return (CorpusMetric,) if baseline.label is None else (PointMetric, ListMetric)


def _any(labels: Tensor) -> bool:
    return bool((~labels.isnan()).any())


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


def _check(test: EventLog, train: EventLog, protocols: Sequence[str], ks: Sequence[int] | None) -> None:
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
    longest, catalogue = max(ks or (0,)), len(train.items) - 1
    if longest > catalogue:
        raise ConfigError(
            f"ks names a list of {longest:,} items, and there are {catalogue:,}; the longest can be {catalogue:,}"
        )


def _check_schema(model: Model, test: EventLog) -> None:
    """A test that numbers users or items otherwise than the model would be judged by other people's vectors."""
    for tower, side, name in ((model.user, test.users, "users"), (model.item, test.items, "items")):
        mine, theirs = tower.entities, side
        if mine.key != theirs.key:
            raise DataError(f"the model embeds {name} by {mine.key!r}, and the test log has them in {theirs.key!r}")
        if mine.vocab is not theirs.vocab and not mine.vocab.ids.equals(theirs.vocab.ids):
            raise DataError(
                f"the model knows {len(mine) - 1:,} {name}, and the test log numbers {len(theirs) - 1:,} otherwise; "
                "read the test with the encode(...) of the log that the model was built on"
            )
        for column in () if tower.remembers else tower.context:  # what remembers meets the usual, as when it serves
            if column not in test.columns:
                hint = did_you_mean(column, test.columns)
                raise DataError(f"the model reads the context {column!r} of {name}, which is not in the test log{hint}")


def _check_labels(name: str, needs: Sequence[str], test: EventLog) -> None:
    for column in needs:
        if column not in test.columns:
            hint = did_you_mean(column, test.columns)
            raise DataError(f"{name!r} is judged by column {column!r}, which is not in the test log{hint}")
