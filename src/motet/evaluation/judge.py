"""evaluate: measures a model, a recommender or a baseline on held-out rows.

The test rows are scored and ranked once, which gives evidence. The lists that a recommender serves are evaluated as
well, and simple rules are measured on the same rows. The report computes all metrics from this evidence.
"""

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

from motet.arguments import checked
from motet.baselines import Baseline, Popularity, Recommends
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.evaluation.checks import check_baseline, check_labels, check_lists, check_logs, check_model
from motet.evaluation.collect import evidence_of_baseline, evidence_of_model, metrics_of
from motet.evaluation.corpus import PROTOCOLS, Corpus, Protocol
from motet.evaluation.curves import level_curves, probability_curves
from motet.evaluation.evidence import Evidence
from motet.evaluation.leaks import duplicated_rows, implausible_metrics, interleaved_rows, unseen_entities
from motet.evaluation.leaky_features import CLASS, enough, leaky_features
from motet.evaluation.notes import label_notes, ranking_notes
from motet.evaluation.report import Report
from motet.evaluation.rules import evidence_of_rules, metric_kinds, popularity, simplest
from motet.evaluation.served import ServedResults, evaluate_lists
from motet.evaluation.slices import masks
from motet.evaluation.two_stage import TwoStage
from motet.metrics.ranks import Ties
from motet.metrics.reliability import ReliabilityCurve
from motet.model import Model


@checked
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
            The longest limits `mrr`, too, as `mrr@k`: no rank beyond it is computed, which is quicker on a large
            catalogue.
        ties: The rank of equal scores; pessimistic by default, so that a constant scorer comes last.
        baselines: Whether to add the metrics of popularity and the global mean, beside other baselines, too.
        about: How the rows were chosen, for the notes: the `report` of a split.
        preference: The weighting to evaluate a model with a `Preference` at; by default its own weights.
        slices: How to divide the test rows: `"users"` (new, rare, heavy), `"items"` (new, rare, popular), `"visited"`
            (whether the user had the item in training), or a column of the events, the users or the items. See
            `motet.evaluation.slices`.
        positives: A condition such as `"event == 'purchase'"` for the held-out rows whose items are right answers in
            a served list. By default the rows of the tasks that retrieve, or those that a baseline's `where` selects;
            else every row.
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
    check_logs(test, train)
    check_lists(items=len(train.items) - 1, protocols=protocols, ks=ks)
    model, serves = _model(system), _serves(system)
    if positives is not None and not serves:
        raise ConfigError(
            f"positives={positives!r} is for served lists, and a {type(system).__name__} serves none; evaluate "
            "Recommender(model, train)"
        )
    if model is not None:
        check_model(model, test)
    started = time.perf_counter()
    corpus = Corpus.of(test, train, protocols, ties)
    if model is not None:
        with _evaluating(model):  # the columns a tower reads may depend on the mode
            corpus = replace(corpus, each_row=bool(model.user.context))
    settings = _Settings(test, train, corpus, ks, preference, thorough)
    if isinstance(system, Baseline):
        results = _baseline_results(system, settings)
    else:
        results = _Results() if model is None else _model_results(model, settings)
    judged = system if isinstance(system, Baseline) else model
    if baselines and judged is not None:
        results.beside = evidence_of_rules(judged, test.batch(), train, corpus, ks)
    results.notes += [about] if about else []
    results.notes += [
        *ranking_notes(results.evidence, test, corpus),
        *_preference_notes(preference),
        *label_notes(results.evidence),
    ]
    if isinstance(system, Recommends) and serves:
        rules = _list_rules(system, train) if baselines else {}
        results.add(evaluate_lists(system, rules, test, train=train, ks=ks, condition=positives, preference=preference))
    report = results.report()
    parts = masks(slices, test, train).items()
    return replace(
        report,
        slices={name: results.part(rows) for name, rows in parts},
        warnings=[*_warnings(report, model, settings), *results.warnings] if thorough else [],
        seconds=time.perf_counter() - started,
    )


class _Settings(NamedTuple):
    """The arguments of an evaluation that its steps share."""

    test: EventLog
    train: EventLog
    corpus: Corpus
    ks: Sequence[int] | None
    preference: Mapping[str, float] | None
    thorough: bool


@dataclass
class _Results:
    """The results of the system and, in `beside`, of simple rules.

    Attributes:
        evidence: Evidence of the system.
        beside: Evidence of each rule.
        beyond: Metrics of lists beyond accuracy, by rule; those of the system under the empty name.
        curves: Reliability curves of the system.
        notes: Sentences for the report.
        warnings: Reasons to doubt the lists.
    """

    evidence: list[Evidence] = field(default_factory=list)
    beside: dict[str, list[Evidence]] = field(default_factory=dict)
    beyond: dict[str, dict[str, float]] = field(default_factory=dict)
    curves: dict[str, ReliabilityCurve] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, lists: ServedResults) -> None:
        """Add the results of the served lists."""
        self.evidence.append(lists.own.evidence)
        self.beyond = {name: listed.beyond for name, listed in [("", lists.own), *lists.beside.items()]}
        for name, listed in lists.beside.items():
            self.beside.setdefault(name, []).append(listed.evidence)
        self.notes += lists.notes
        self.warnings += lists.warnings

    def report(self) -> Report:
        """The metrics of all evidence, and those beyond accuracy."""

        def figures(evidence: Sequence[Evidence], name: str) -> Report:
            own = Report.of(evidence)
            return replace(own, figures={**own.figures, **self.beyond.get(name, {})})

        beside = {name: figures(evidence, name) for name, evidence in self.beside.items()}
        return replace(figures(self.evidence, ""), beside=beside, notes=self.notes, curves=self.curves)

    def part(self, rows: Bool[Tensor, " test"]) -> Report:
        """The metrics on some of the test rows, without those beyond accuracy."""

        def figures(evidence: Sequence[Evidence]) -> Report:
            return Report.of([each.on(rows) for each in evidence])

        return replace(figures(self.evidence), beside={name: figures(each) for name, each in self.beside.items()})


def _baseline_results(system: Baseline, settings: _Settings) -> _Results:
    if settings.preference is not None:
        raise ConfigError(f"{system.name} is a baseline and takes no preference; leave it out")
    check_baseline(system, settings.test)
    metrics = partial(metrics_of, system, settings.ks, metric_kinds(system))
    return _Results(evidence_of_baseline(system, metrics, settings.test.batch(), settings.corpus))


def _model_results(model: Model, settings: _Settings) -> _Results:
    for name, task in model.tasks.items():
        check_labels(name, task.needs, settings.test)
    with _evaluating(model):
        batch = replace(settings.test.batch(), preference=model.prefer(settings.preference))
        results = _Results(evidence_of_model(model, batch, settings.corpus, settings.ks))
        if settings.thorough:
            results.curves = {**probability_curves(results.evidence), **level_curves(model, batch)}
    return results


def _list_rules(system: Recommends, train: EventLog) -> dict[str, Recommends]:
    """The rules whose lists are evaluated beside those of the system, without the same seen items."""
    if isinstance(system, Popularity):
        return {}
    popular: Baseline = Popularity(train)
    if isinstance(system, TwoStage):
        popular = popularity(train, *(system.model.tasks[name] for name in system.retrieves))
    elif isinstance(system, Baseline):
        popular = simplest(system, train)
    if isinstance(system, TwoStage | Baseline):
        popular.seen = system.seen
    return {popular.name: popular}


def _warnings(report: Report, model: Model | None, settings: _Settings) -> list[str]:
    tasks = () if model is None else model.tasks.values()
    rows = (settings.test, settings.train)
    return [
        *duplicated_rows(*rows),
        *interleaved_rows(*rows),
        *unseen_entities(*rows),
        *leaky_features(settings.train, tasks),
        *implausible_metrics(_steady(report), report.beside, catalogue=settings.corpus.catalogue),
    ]


def _steady(report: Report) -> dict[str, float]:
    """The metrics that chance does not make perfect: of enough rows."""
    return {
        key: report[key]
        for part in report.evidence
        if (len(part) >= CLASS if part.labels is None else enough(part.labels))
        for key in part.keys
    }


def _model(system: object) -> Model | None:
    """The model whose tasks are measured; None if the system has none."""
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
    """Whether the system serves lists; a baseline that predicts a label does not."""
    if isinstance(system, Baseline):
        return system.label is None
    return isinstance(system, Recommends)


def _preference_notes(preference: Mapping[str, float] | None) -> list[str]:
    """The note on the preference, if there is one."""
    if preference is None:
        return []
    return [f"Evaluated at the weighting {', '.join(f'{name} {weight:g}' for name, weight in preference.items())}."]


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module returns to its previous mode."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training
