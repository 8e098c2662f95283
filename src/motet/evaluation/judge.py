"""evaluate: every task of a model, or a baseline, measured on held-out rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import torch

from motet.baselines import Baseline, Popularity, Recommends
from motet.data.log import EventLog
from motet.errors import ConfigError, DataError, did_you_mean
from motet.evaluation.beside import kinds, of_rules
from motet.evaluation.collect import metrics_of, of_baseline, of_model
from motet.evaluation.corpus import PROTOCOLS, Corpus, Protocol
from motet.evaluation.curves import of_levels, of_probabilities
from motet.evaluation.described import TwoStage
from motet.evaluation.evidence import Evidence
from motet.evaluation.leaks import absent, interleaved, telling, too_good
from motet.evaluation.notes import said
from motet.evaluation.report import Report
from motet.evaluation.served import Product, product
from motet.evaluation.slices import masks
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
    if model is not None:
        with _evaluating(model):  # what a tower reads may depend on the mode
            corpus = replace(corpus, each_row=bool(model.user.context))
    asked = _Asked(test, train, corpus, ks, preference, thorough)
    if isinstance(system, Baseline):
        found = _of_baseline(system, asked)
    else:
        found = _Found() if model is None else _of_model(model, asked, baselines=baselines)
    found.notes += [about] if about else []
    found.notes += [*corpus.notes(test), *_asked_for(preference), *said(found.evidence, test, corpus)]
    if isinstance(system, Recommends) and serves:
        rules = _serving(system, train) if baselines and not isinstance(system, Baseline) else {}
        found.add(product(system, rules, test, train=train, ks=ks, chosen=positives, preference=preference))
    report = found.report()
    parts = masks(slices, test, train).items()
    return replace(
        report,
        slices={name: Report.of([part.of(rows) for part in found.evidence]) for name, rows in parts},
        warnings=_warnings(report, model, asked) if thorough else [],
        seconds=time.perf_counter() - started,
    )


class _Asked(NamedTuple):
    """What every system is asked."""

    test: EventLog
    train: EventLog
    corpus: Corpus
    ks: Sequence[int] | None
    preference: Mapping[str, float] | None
    thorough: bool


@dataclass
class _Found:
    """What has been found so far, of the system and of the rules beside it; in `beyond` the system's name is empty."""

    evidence: list[Evidence] = field(default_factory=list)
    beside: dict[str, list[Evidence]] = field(default_factory=dict)
    beyond: dict[str, dict[str, float]] = field(default_factory=dict)
    curves: dict[str, ReliabilityCurve] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, lists: Product) -> None:
        """The lists that are served."""
        self.evidence.append(lists.own.evidence)
        self.beyond = {name: listed.beyond for name, listed in [("", lists.own), *lists.beside.items()]}
        for name, listed in lists.beside.items():
            self.beside.setdefault(name, []).append(listed.evidence)
        self.notes += lists.notes

    def report(self) -> Report:
        """The figures, and what no single row is evidence of."""

        def figures(evidence: Sequence[Evidence], name: str) -> Report:
            own = Report.of(evidence)
            return replace(own, figures={**own.figures, **self.beyond.get(name, {})})

        beside = {name: figures(evidence, name) for name, evidence in self.beside.items()}
        return replace(figures(self.evidence, ""), beside=beside, notes=self.notes, curves=self.curves)


def _of_baseline(system: Baseline, asked: _Asked) -> _Found:
    if asked.preference is not None:
        raise ConfigError(f"{system.name} is a simple rule and takes no preference; leave it out")
    _check_labels(system.name, () if system.label is None else (system.label,), asked.test)
    metrics = partial(metrics_of, system, asked.ks, kinds(system))
    return _Found(of_baseline(system, metrics, asked.test.batch(), asked.corpus))


def _of_model(model: Model, asked: _Asked, *, baselines: bool) -> _Found:
    for name, task in model.tasks.items():
        _check_labels(name, task.needs, asked.test)
    with _evaluating(model):
        batch = replace(asked.test.batch(), preference=model.prefer(asked.preference))
        found = _Found(of_model(model, batch, asked.corpus, asked.ks))
        if asked.thorough:
            found.curves = {**of_probabilities(found.evidence), **of_levels(model, batch)}
    if baselines:
        found.beside = of_rules(model, asked.test.batch(), asked.train, asked.corpus, asked.ks)
    return found


def _serving(system: Recommends, train: EventLog) -> dict[str, Recommends]:
    """Rules whose lists stand beside those of a system, and leave out what it does."""
    popular = Popularity(train)
    if isinstance(system, TwoStage):
        popular.seen = system.seen
    return {popular.name: popular}


def _warnings(report: Report, model: Model | None, asked: _Asked) -> list[str]:
    tasks = () if model is None else model.tasks.values()
    leaks = [*interleaved(asked.test, asked.train), *absent(asked.test, asked.train), *telling(asked.train, tasks)]
    return [*leaks, *too_good(report, report.beside)]


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


def _asked_for(preference: Mapping[str, float] | None) -> list[str]:
    """What to note of a preference."""
    if preference is None:
        return []
    return [f"Asked for the weighting {', '.join(f'{name} {weight:g}' for name, weight in preference.items())}."]


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
