"""Evaluation: figures on held-out rows, each under its protocol and beside what a simple rule reaches."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Self, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.baselines import Baseline, GlobalMean, Popularity
from motet.data.batch import Batch
from motet.data.history import History
from motet.data.log import EventLog
from motet.errors import ConfigError, DataError, did_you_mean
from motet.metrics.base import CorpusMetric, Metric, PointMetric
from motet.metrics.ranks import Pairs, Scorer, Ties, dot, ranks
from motet.model import Model
from motet.tasks.base import CorpusTask, Task
from motet.towers.base import Tower

Protocol = Literal["all items", "unseen"]
ROWS = 1 << 16  # rows scored at once


@dataclass(frozen=True)
class Report(Mapping[str, float]):
    """Figures by key: `"rating/rmse"`, `"retrieval/unseen/hit_rate@10"`.

    `all items` ranks a held-out item among the whole catalogue; `unseen` leaves out what the user had in training.

    Attributes:
        figures: Of the system that was evaluated.
        beside: The same figures of simple rules, by their name.
        notes: What was measured on what, a sentence each.
        seconds: How long the evaluation took.
    """

    figures: Mapping[str, float]
    beside: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    seconds: float = math.nan

    def __getitem__(self, key: str) -> float:
        if key not in self.figures:
            raise KeyError(f"{key!r}{did_you_mean(key, self.figures)}")
        return self.figures[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def to_json(self) -> str:
        """All of it as one JSON document."""
        return json.dumps(
            {"figures": self.figures, "beside": self.beside, "notes": list(self.notes), "seconds": self.seconds}
        )

    def __str__(self) -> str:
        from rich.console import Console
        from rich.table import Table

        table = Table("", "", *("this",), *self.beside)
        for key, figure in self.figures.items():
            task, _, name = key.partition("/")
            cells = [figure, *(figures.get(key, math.nan) for figures in self.beside.values())]
            table.add_row(task, name, *("-" if math.isnan(cell) else f"{cell:.4f}" for cell in cells))
        console = Console(width=100)
        with console.capture() as captured:
            console.print(table)
        return captured.get() + "\n".join(self.notes)


def evaluate(
    system: Model | Baseline,
    test: EventLog,
    *,
    train: EventLog,
    protocols: Sequence[Protocol] = ("all items", "unseen"),
    ties: Ties = "pessimistic",
    baselines: bool = True,
    about: str | None = None,
) -> Report:
    """Measure every task on the held-out rows that carry its labels.

    Users and items are embedded once, whatever number of rows they have. Rows with an unknown item have no rank: they
    are left out of rankings, and counted in the notes.

    Args:
        system: A trained model, or a baseline.
        test: Held-out rows.
        train: The rows the system was trained on: what `unseen` leaves out, and what baselines are fitted on.
        protocols: Which candidates a held-out item is ranked among.
        ties: How equal scores rank; pessimistic, so that a constant scorer comes last.
        baselines: Whether to put popularity and the global mean beside the figures.
        about: How the rows were chosen, to stand in the notes: the `report` of a split.

    Returns:
        The figures.

    Raises:
        ConfigError: If a protocol is unknown.
        DataError: If there are no rows, a label column is absent, test and training rows number their users or items
            differently, or a score is NaN.

    Example:
        >>> report = evaluate(model, test, train=train, about=split.report)  # doctest: +SKIP
        >>> report["retrieval/unseen/hit_rate@10"]  # doctest: +SKIP
    """
    _check(test, train, protocols)
    started = time.perf_counter()
    corpus = _Corpus.of(test, train, protocols, ties)
    beside: dict[str, dict[str, float]] = {}
    if isinstance(system, Baseline):
        figures = _baseline(system, system.name, test, corpus)
    else:
        figures = _model(system, test, corpus)
        for name, task in system.tasks.items() if baselines else ():
            for baseline in _rules(task, train):
                beside.setdefault(baseline.name, {}).update(_baseline(baseline, name, test, corpus))
    notes = [*([about] if about else []), *corpus.notes(test)]
    return Report(figures, beside, notes, time.perf_counter() - started)


class _Queries(NamedTuple):
    """Which query each positive belongs to, and who asks."""

    of_positive: Int[Tensor, " rows"]
    user: Int[Tensor, " queries"]


@dataclass(frozen=True)
class _Corpus:
    """The held-out positives whose item is known, and how to rank them."""

    rows: Int[Tensor, " rows"]  # of the test log
    users: Int[Tensor, " rows"]
    items: Int[Tensor, " rows"]
    seen: History
    catalogue: int
    protocols: Sequence[Protocol]
    ties: Ties

    @classmethod
    def of(cls, test: EventLog, train: EventLog, protocols: Sequence[Protocol], ties: Ties) -> Self:
        batch = test.batch()
        rows = (batch.items > 0).nonzero().squeeze(1)
        seen = History.of(train.batch(), len(train.users), len(train.items))
        return cls(rows, batch.users[rows], batch.items[rows], seen, len(test.items) - 1, protocols, ties)

    def on(self, device: torch.device) -> Self:
        """The same on another device."""
        rows, users, items = (part.to(device) for part in (self.rows, self.users, self.items))
        return replace(self, rows=rows, users=users, items=items, seen=self.seen.to(device))

    def figures(
        self,
        scorer: Scorer,
        queries: _Queries,
        metrics: Callable[[], Mapping[str, Metric]],
        weights: Float[Tensor, " rows"] | None = None,
    ) -> dict[str, float]:
        """Rank all positives under every protocol.

        Args:
            scorer: Of queries against candidates; candidate c is item row c + 1.
            queries: The query of each positive, and the user of each query.
            metrics: Makes fresh ones.
            weights: What each positive counts for.
        """
        figures = {}
        positives = Pairs(queries.of_positive, self.items - 1)
        for protocol in self.protocols:
            exclude = self._seen(queries.user) if protocol == "unseen" else None
            found = ranks(scorer, positives, candidates=self.catalogue, exclude=exclude, ties=self.ties)
            for name, metric in metrics().items():
                if isinstance(metric, CorpusMetric):
                    metric.update(found, self.users, weights)
                    figures.update({f"{protocol}/{key}": figure for key, figure in metric.figures(name).items()})
        return figures

    def _seen(self, user_of_query: Tensor) -> Pairs:
        queries, items = self.seen.of_users(user_of_query)
        return Pairs(queries[items > 0], items[items > 0] - 1)

    def notes(self, test: EventLog) -> list[str]:
        """What was ranked among what."""
        rows = f"{len(self.rows):,} test rows, each item ranked among {self.catalogue:,}; ties {self.ties}"
        notes = [f"{rows}; `unseen` leaves out the items the user had in training."]
        if left_out := len(test) - len(self.rows):
            notes.append(f"{left_out:,} test rows have an item that is not known, and are left out of rankings.")
        if absent := int((self.seen.starts.diff()[self.users] == 0).sum()):
            notes.append(f"{absent:,} test rows belong to users without a training row.")
        return notes


@torch.no_grad()
def _model(model: Model, test: EventLog, corpus: _Corpus) -> dict[str, float]:
    """Every task's figures."""
    was_training = model.training
    model.eval()
    batch = test.batch().to(next(model.parameters()).device)
    figures = _points(model, batch)
    catalogue = batch.entities(batch.item_key, torch.arange(1, len(test.items), device=batch.users.device))
    for name, task in model.tasks.items():
        if isinstance(task, CorpusTask) and len(corpus.rows):
            rows = batch.take(corpus.rows.to(batch.users.device))
            queries, vectors = _queries(model, task, rows)
            scorer = dot(vectors, task.candidates(_embed(model.item, catalogue), catalogue))
            found = corpus.on(batch.users.device).figures(scorer, queries, task.metrics, task.row_weights(rows))
            figures.update({f"{name}/{key}": figure for key, figure in found.items()})
    model.train(was_training)
    return figures


def _points(model: Model, batch: Batch) -> dict[str, float]:
    """The figures that compare a score with its row's label."""
    metrics = {name: task.metrics() for name, task in model.tasks.items()}
    metrics = {name: some for name, some in metrics.items() if any(isinstance(m, PointMetric) for m in some.values())}
    for start in range(0, len(batch) if metrics else 0, ROWS):
        rows = batch.take(slice(start, start + ROWS))
        user, item = model(rows)
        for name, some in metrics.items():
            task = model.tasks[name]
            known = task.labelled(rows)
            scores, weights = task.score(user, item, rows), task.row_weights(rows)
            for metric in some.values():
                if isinstance(metric, PointMetric):
                    metric.update(scores[known], rows[task.needs[0]][known], weights[known])
    return {f"{name}/{key}": figure for name, some in metrics.items() for key, figure in _computed(some).items()}


def _computed(metrics: Mapping[str, Metric]) -> dict[str, float]:
    points = {name: metric for name, metric in metrics.items() if isinstance(metric, PointMetric)}
    return {key: figure for name, metric in points.items() for key, figure in metric.figures(name).items()}


def _queries(model: Model, task: CorpusTask, rows: Batch) -> tuple[_Queries, Tensor]:
    """One query a user; one a row where the user's vector depends on the row's context."""
    if model.user.context:
        each = torch.arange(len(rows), device=rows.users.device)
        return _Queries(each, rows.users), task.queries(_embed(model.user, rows), rows)
    users = rows.distinct_users
    batch = rows.entities(rows.user_key, users.rows)
    return _Queries(users.index, users.rows), task.queries(_embed(model.user, batch), batch)


def _embed(tower: Tower, batch: Batch) -> Tensor:
    return torch.cat([tower(batch.take(slice(start, start + ROWS))) for start in range(0, len(batch), ROWS)])


def _rules(task: Task, train: EventLog) -> list[Baseline]:
    """What a task has to beat."""
    if isinstance(task, CorpusTask):
        return [Popularity(train)]
    return [GlobalMean(train, task.needs[0])] if len(task.needs) == 1 else []


def _baseline(baseline: Baseline, name: str, test: EventLog, corpus: _Corpus) -> dict[str, float]:
    """A baseline's figures, under the name of the task it stands beside."""
    if baseline.label is None:
        users, query = corpus.users.unique(return_inverse=True)
        queries = _Queries(query, users)
        found = corpus.figures(lambda q, c: baseline.scores(users[q, None], c + 1), queries, baseline.metrics)
    else:
        batch, metrics = test.batch(), baseline.metrics()
        rows = batch.take(~batch[baseline.label].isnan())
        for metric in metrics.values():
            if isinstance(metric, PointMetric):
                metric.update(baseline.scores(rows.users, rows.items), rows[baseline.label])
        found = _computed(metrics)
    return {f"{name}/{key}": figure for key, figure in found.items()}


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
