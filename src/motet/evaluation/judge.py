"""evaluate: measure every task of a model, or a baseline, on held-out rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor

from motet.baselines import Baseline, Popularity, Recommends
from motet.data.log import EventLog
from motet.errors import ConfigError, DataError, check_types, did_you_mean
from motet.evaluation.collect import evidence_of_baseline, evidence_of_model, metrics_of
from motet.evaluation.corpus import PROTOCOLS, Corpus, Protocol
from motet.evaluation.curves import level_curves, probability_curves
from motet.evaluation.evidence import Evidence
from motet.evaluation.leaks import absent, copied, interleaved, telling, too_good
from motet.evaluation.notes import ranking_notes
from motet.evaluation.report import Report
from motet.evaluation.rules import evidence_of_rules, metric_kinds
from motet.evaluation.served import ServedResults, evaluate_lists
from motet.evaluation.slices import masks
from motet.evaluation.two_stage import TwoStage
from motet.metrics.ranks import Ties
from motet.metrics.reliability import ReliabilityCurve
from motet.model import Model


def evaluate(
    system: Model | Recommends,
    test: EventLog,
    *,
    train: EventLog,
    protocols: Sequence[Protocol] = PROTOCOLS,
    ks: Sequence[int] | None = None,
    ties: Ties = "pessimistic",
    baselines: bool = True,
    about: str | None = None,
    preference: Mapping[str, float] | None = None,
    slices: Sequence[str] = (),
    positives: str | None = None,
    thorough: bool = True,
) -> Report:
    """Measure every task on the held-out rows that have its label, and the lists that are served.

    Each user and item is embedded once. Rows with an unknown item have no rank: they are left out of rankings and
    counted in the notes. The model keeps its training or evaluation mode.

    Args:
        system: A trained model, a baseline, a `Recommender`, or any object with their `recommend` and `predict`. If it
            has a model, the model's tasks are measured; if it recommends, its lists too, under `served/unseen`.
        test: Held-out rows.
        train: The rows the system was trained on. `unseen` leaves out their items, and baselines are fitted on them.
        protocols: The candidates that a held-out item is ranked among: `"all items"` is the whole catalogue,
            `"unseen"` the catalogue without the items the user had in training.
        ks: List lengths for hit rates and for served lists; by default those of the task's `FactorizedTopK`, and 10.
        ties: The rank of equal scores; pessimistic by default, so that a constant scorer comes last.
        baselines: Whether to add the metrics of popularity and the global mean.
        about: How the rows were chosen, for the notes: the `report` of a split.
        preference: The weighting to evaluate a model with a `Preference` at; by default its own weights.
        slices: How to divide the test rows: `"users"` (new, rare, heavy), `"items"` (new, rare, popular), `"visited"`
            (whether the user had the item in training), or a column of the events, the users or the items. See
            `motet.evaluation.slices`.
        positives: A condition such as `"event == 'purchase'"` for the held-out rows whose items are right answers in
            a served list. By default the rows of the tasks that retrieve, else every row.
        thorough: Whether to check for leaks and to compute calibration curves; `fit` skips both.

    Returns:
        Metrics by `task/metric`, `task/protocol/metric` and `served/unseen/metric`; NaN if no row has the label.

    Raises:
        ConfigError: If a log is something else, or a list a single value; a protocol, the tie rule or a slice is
            unknown; a list length exceeds the number of items; the item tower reads context; a preference is given for
            a system that takes none; or `positives` is given for a system without lists, or holds for no row.
        DataError: If there are no rows, a label or context column is missing, the model, the test and the training
            rows number their users and items differently, or a score is NaN.

    Example:
        >>> report = evaluate(model, test, train=train, about=split.report)  # doctest: +SKIP
        >>> report["retrieval/unseen/hit_rate@10"]  # doctest: +SKIP
    """
    _check_sequences(protocols=protocols, ks=ks, slices=slices)
    _check(test, train, protocols, ks)
    model, serves = _model(system), _serves(system)
    if positives is not None and not serves:
        raise ConfigError(
            f"positives={positives!r} is for served lists, and a {type(system).__name__} serves none; evaluate "
            "Recommender(model, train)"
        )
    if model is not None:
        _check_schema(model, test)
    started = time.perf_counter()
    corpus = Corpus.of(test, train, protocols, ties)
    if model is not None:
        with _evaluating(model):  # the columns a tower reads may depend on the mode
            corpus = replace(corpus, each_row=bool(model.user.context))
    asked = _Asked(test, train, corpus, ks, preference, thorough)
    if isinstance(system, Baseline):
        found = _of_baseline(system, asked)
    else:
        found = _Found() if model is None else _of_model(model, asked, baselines=baselines)
    found.notes += [about] if about else []
    found.notes += [*corpus.notes(test), *_asked_for(preference), *ranking_notes(found.evidence, test, corpus)]
    if isinstance(system, Recommends) and serves:
        rules = _serving(system, train) if baselines and not isinstance(system, Baseline) else {}
        found.add(evaluate_lists(system, rules, test, train=train, ks=ks, chosen=positives, preference=preference))
    report = found.report()
    parts = masks(slices, test, train).items()
    return replace(
        report,
        slices={name: found.part(rows) for name, rows in parts},
        warnings=_warnings(report, model, asked) if thorough else [],
        seconds=time.perf_counter() - started,
    )


class _Asked(NamedTuple):
    """The arguments of an evaluation."""

    test: EventLog
    train: EventLog
    corpus: Corpus
    ks: Sequence[int] | None
    preference: Mapping[str, float] | None
    thorough: bool


@dataclass
class _Found:
    """Results of the system and of the rules beside it; in `beyond` the key of the system is empty."""

    evidence: list[Evidence] = field(default_factory=list)
    beside: dict[str, list[Evidence]] = field(default_factory=dict)
    beyond: dict[str, dict[str, float]] = field(default_factory=dict)
    curves: dict[str, ReliabilityCurve] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, lists: ServedResults) -> None:
        """Add the served lists."""
        self.evidence.append(lists.own.evidence)
        self.beyond = {name: listed.beyond for name, listed in [("", lists.own), *lists.beside.items()]}
        for name, listed in lists.beside.items():
            self.beside.setdefault(name, []).append(listed.evidence)
        self.notes += lists.notes

    def report(self) -> Report:
        """Metrics of the evidence, and those that no single row is evidence of."""

        def figures(evidence: Sequence[Evidence], name: str) -> Report:
            own = Report.of(evidence)
            return replace(own, figures={**own.figures, **self.beyond.get(name, {})})

        beside = {name: figures(evidence, name) for name, evidence in self.beside.items()}
        return replace(figures(self.evidence, ""), beside=beside, notes=self.notes, curves=self.curves)

    def part(self, rows: Bool[Tensor, " test"]) -> Report:
        """The same on some of the test rows, without the metrics of whole lists."""

        def figures(evidence: Sequence[Evidence]) -> Report:
            return Report.of([each.of(rows) for each in evidence])

        return replace(figures(self.evidence), beside={name: figures(each) for name, each in self.beside.items()})


def _of_baseline(system: Baseline, asked: _Asked) -> _Found:
    if asked.preference is not None:
        raise ConfigError(f"{system.name} is a baseline and takes no preference; leave it out")
    _check_labels(system.name, () if system.label is None else (system.label,), asked.test)
    metrics = partial(metrics_of, system, asked.ks, metric_kinds(system))
    return _Found(evidence_of_baseline(system, metrics, asked.test.batch(), asked.corpus))


def _of_model(model: Model, asked: _Asked, *, baselines: bool) -> _Found:
    for name, task in model.tasks.items():
        _check_labels(name, task.needs, asked.test)
    with _evaluating(model):
        batch = replace(asked.test.batch(), preference=model.prefer(asked.preference))
        found = _Found(evidence_of_model(model, batch, asked.corpus, asked.ks))
        if asked.thorough:
            found.curves = {**probability_curves(found.evidence), **level_curves(model, batch)}
    if baselines:
        found.beside = evidence_of_rules(model, asked.test.batch(), asked.train, asked.corpus, asked.ks)
    return found


def _serving(system: Recommends, train: EventLog) -> dict[str, Recommends]:
    """Rules whose lists are evaluated beside those of a system, with the same items left out."""
    popular = Popularity(train)
    if isinstance(system, TwoStage):
        popular.seen = system.seen
    return {popular.name: popular}


def _warnings(report: Report, model: Model | None, asked: _Asked) -> list[str]:
    tasks = () if model is None else model.tasks.values()
    rows = (asked.test, asked.train)
    leaks = [*copied(*rows), *interleaved(*rows), *absent(*rows), *telling(asked.train, tasks)]
    return [*leaks, *too_good(report, report.beside, catalogue=asked.corpus.catalogue)]


def _model(system: object) -> Model | None:
    """The model whose tasks are measured, if there is one."""
    if isinstance(system, Model):
        return system
    if isinstance(system, TwoStage):
        return system.model
    if not isinstance(system, Recommends):
        raise ConfigError(
            f"a {type(system).__name__} cannot be evaluated; give a Model, a Recommender, a baseline, or an object "
            "with their recommend(users, k) and predict(users, items)"
        )
    return None


def _serves(system: object) -> bool:
    """Whether there are lists to evaluate; a baseline that predicts a label serves none."""
    if isinstance(system, Baseline):
        return system.label is None
    return isinstance(system, Recommends)


def _asked_for(preference: Mapping[str, float] | None) -> list[str]:
    """The note about a preference."""
    if preference is None:
        return []
    return [f"Evaluated at the weighting {', '.join(f'{name} {weight:g}' for name, weight in preference.items())}."]


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module is back in its own mode."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


def _check_sequences(**arguments: object) -> None:
    """A text would be read as its letters."""
    for name, value in arguments.items():
        if isinstance(value, str | int):
            raise ConfigError(f"{name}={value!r} is a single value; write {name}=[{value!r}]")


def _check(test: EventLog, train: EventLog, protocols: Sequence[str], ks: Sequence[int] | None) -> None:
    check_types(EventLog, test=test, train=train)
    for protocol in protocols:
        if protocol not in PROTOCOLS:
            hint = did_you_mean(protocol, PROTOCOLS)
            raise ConfigError(f"protocol {protocol!r} is not one of {', '.join(PROTOCOLS)}{hint}")
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
    """A test log that numbers users or items differently would be scored with the wrong vectors."""
    for tower, side, name in ((model.user, test.users, "users"), (model.item, test.items, "items")):
        mine, theirs = tower.entities, side
        if mine.key != theirs.key:
            raise DataError(f"the model embeds {name} by {mine.key!r}, and the test log has them in {theirs.key!r}")
        if mine.vocab is not theirs.vocab and not mine.vocab.ids.equals(theirs.vocab.ids):
            raise DataError(
                f"the model knows {len(mine) - 1:,} {name}, and the test log numbers {len(theirs) - 1:,} differently; "
                "read the test with encode(...) of the log that the model was built on"
            )
        for column in () if tower.remembers else tower.context:  # those have defaults
            if column not in test.columns:
                hint = did_you_mean(column, test.columns)
                raise DataError(f"the model reads the context {column!r} of {name}, which is not in the test log{hint}")


def _check_labels(name: str, needs: Sequence[str], test: EventLog) -> None:
    for column in needs:
        if column not in test.columns:
            hint = did_you_mean(column, test.columns)
            raise DataError(f"{name!r} needs column {column!r}, which is not in the test log{hint}")
