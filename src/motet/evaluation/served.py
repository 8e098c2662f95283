"""Served lists: what a system recommends to each test user, evaluated on what the user interacted with afterwards.

`served_lists` asks the system for the lists. Their accuracy (hit rate, NDCG, ...) is computed from the ranks of the
demanded items, and metrics beyond accuracy (coverage, novelty, diversity, ...) from the lists alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.baselines.base import Baseline, Recommends
from motet.data.ids import kind_of
from motet.data.log import EventLog
from motet.errors import ConfigError, DataError
from motet.evaluation.demand import Demand
from motet.evaluation.evidence import Evidence
from motet.evaluation.item_attributes import ItemAttributes, item_attributes
from motet.evaluation.two_stage import TwoStage
from motet.metrics.base import Metric
from motet.metrics.diversity import intra_list_diversity
from motet.metrics.exposure import coverage, exposures, gini
from motet.metrics.mrr import MRR
from motet.metrics.ndcg import NDCG
from motet.metrics.novelty import novelty, popularity_lift
from motet.metrics.precision import Precision
from motet.metrics.recall import Recall
from motet.metrics.topk import HitRate
from motet.tasks.rows import Rows

USERS = 1 << 14  # users per call of `recommend`
LENGTH = 10  # default length of a list
PREFIX = "served/unseen"
ACCURACY: Mapping[str, type[HitRate | Recall | Precision | NDCG | MRR]] = {
    "hit_rate": HitRate,
    "recall": Recall,
    "precision": Precision,
    "ndcg": NDCG,
    "mrr": MRR,
}


class Lists(NamedTuple):
    """The lists of a system.

    Attributes:
        items: Item rows, one line for each user of the demand: best first, padded with row 0.
        ordered: Number of lists of at least two items whose scores are known.
        tied: Number of those whose items all have the same score.
        unknown: Number of listed items that the training log does not know.
    """

    items: Int[Tensor, "users k"]
    ordered: int
    tied: int
    unknown: int

    def warnings(self, demand: Demand, *, foreign: bool) -> list[str]:
        """Reasons to doubt the metrics of the lists.

        Args:
            demand: The demand that they are judged by.
            foreign: Whether the system may serve items that its user had in training.

        Returns:
            Sentences for a report.
        """
        found = []
        if 0 < self.ordered == self.tied:
            found.append(
                f"served: every one of {self.ordered:,} lists holds items of one and the same score; their order says "
                "nothing"
            )
        listed = int((self.items > 0).sum()) + self.unknown
        if self.unknown:
            found.append(
                f"served: {self.unknown:,} of {listed:,} listed items are not in the training log, and count as "
                "wrong answers"
            )
        width = demand.catalogue + 1
        pairs = demand.users[:, None] * width + self.items
        had = int(torch.isin(pairs, demand.seen.keys(width)).sum()) if foreign else 0
        if had:
            found.append(
                f"served: {had:,} of {listed:,} listed items were seen in training by their user, and count as wrong "
                "answers"
            )
        return found


class ListResults(NamedTuple):
    """The results of one system's lists: evidence of their accuracy, and metrics beyond accuracy."""

    evidence: Evidence
    beyond: dict[str, float]


class ServedResults(NamedTuple):
    """The results of a system's lists and, by name, of those of simple rules, with notes and warnings."""

    own: ListResults
    beside: dict[str, ListResults]
    notes: list[str]
    warnings: list[str]


def served_lists(
    system: Recommends, demand: Demand, train: EventLog, k: int, preference: Mapping[str, float] | None = None
) -> Lists:
    """Let a system recommend a list to every user of the demand.

    Args:
        system: Anything that recommends.
        demand: The users.
        train: The log that the system was trained on.
        k: Items per list, at most the number of items.
        preference: The weighting, for a system that takes one.

    Returns:
        The lists.

    Raises:
        DataError: If the system does not return one list of at most k items per user, an id is not of the type of the
            training log's, or a list holds an item twice.
    """
    lists = torch.zeros(len(demand.users), k, dtype=torch.int64)
    ordered = tied = unknown = 0
    options: dict[str, Any] = {} if preference is None else {"preference": preference}
    for start in range(0, len(lists), USERS):
        users = train.users.vocab.decode(demand.users[start : start + USERS])
        answer = system.recommend(users, k, **options)
        ids = answer.ids
        if ids.ndim != 2 or len(ids) != len(users) or ids.shape[1] > k:
            raise DataError(
                f"{type(system).__name__}.recommend returned ids of shape {list(ids.shape)} for {len(users):,} users "
                f"and k={k}; it must be [{len(users)}, {k}], with None where a list is shorter"
            )
        named = _named(system, ids, train)
        rows = train.items.vocab.encode(named).view(ids.shape)
        _check_distinct(system, users, rows, train)
        lists[start : start + USERS, : ids.shape[1]] = rows
        spread = _spread(system, answer.scores, rows)
        ordered += len(spread)
        tied += int((spread == 0).sum())
        unknown += int((rows == 0).sum()) - named.null_count()
    return Lists(lists, ordered, tied, unknown)


def _named(system: Recommends, ids: npt.NDArray[np.object_], train: EventLog) -> pl.Series:
    """The ids as a column. They may mix numbers and None, so their type is given rather than inferred."""
    vocab = train.items.vocab
    try:
        return pl.Series(ids.reshape(-1).tolist(), dtype=vocab.ids.dtype)
    except TypeError as error:
        types = (str, type(None)) if vocab.is_text else (int, np.integer, type(None))
        wrong = next(id for id in ids.reshape(-1).tolist() if not isinstance(id, types))
        raise DataError(
            f"{type(system).__name__}.recommend returned the item {wrong!r}; ids of {train.items.key!r} are "
            f"{kind_of(vocab.ids)}: return them as the training log has them, and None where a list is shorter"
        ) from error


def _spread(system: Recommends, scores: object, rows: Int[Tensor, "users k"]) -> Float[Tensor, " lists"]:
    """Best minus worst score, and 0 within rounding, of the lists of at least two items that have scores."""
    if not isinstance(scores, Tensor) or scores.shape != rows.shape:
        return torch.zeros(0, dtype=torch.float64)
    listed, values = rows > 0, scores.cpu().double()
    lowest = values.masked_fill(~listed, torch.inf).amin(1)
    highest = values.masked_fill(~listed, -torch.inf).amax(1)
    scored = (listed.sum(1) > 1) & lowest.isfinite() & highest.isfinite()
    if not isinstance(system, TwoStage | Baseline):  # it may have no scores, and fills in zeros
        scored &= (lowest != 0) | (highest != 0)
    spread, rounding = highest - lowest, 4 * torch.finfo(torch.float32).eps * highest.abs()
    return spread.masked_fill(spread <= rounding, 0)[scored]


def _check_distinct(system: Recommends, users: pl.Series, rows: Int[Tensor, "users k"], train: EventLog) -> None:
    """Refuse a list with a repeated item, which would fill the places of others."""
    ordered = rows.sort(1).values
    repeated = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] > 0)).nonzero()
    if len(repeated):
        line, place = repeated[0].tolist()
        item = train.items.vocab.decode(ordered[line, place : place + 1])[0]
        raise DataError(
            f"{type(system).__name__}.recommend gives user {users[line]!r} the item {item!r} more than once; a list "
            "holds an item once"
        )


def list_evidence(lists: Int[Tensor, "users k"], demand: Demand, ks: Sequence[int]) -> Evidence:
    """Collect the ranks of the demanded items on the lists; a list of k items is the first k of a longer one.

    Args:
        lists: Item rows, one line for each user of the demand.
        demand: The demand.
        ks: List lengths.

    Returns:
        Evidence of hit rate, recall, precision, NDCG and reciprocal rank at every length.
    """

    def metrics() -> dict[str, Metric]:
        return {f"{name}@{k}": kind(k) for k in ks for name, kind in ACCURACY.items()}

    ranks, users = demand.ranks(lists), demand.users[demand.lines]
    weights = torch.ones(len(ranks))
    return Evidence(PREFIX, metrics, ranks, None, demand.lines, users, demand.items, weights, demand.rows)


def beyond_accuracy(
    lists: Int[Tensor, "users k"], demand: Demand, ks: Sequence[int], attributes: ItemAttributes | None = None
) -> dict[str, float]:
    """Compute the metrics of lists beyond accuracy.

    Args:
        lists: Item rows, one line for each user of the demand.
        demand: The demand.
        ks: List lengths.
        attributes: The attributes for diversity; None leaves diversity out.

    Returns:
        Catalogue coverage, Gini coefficient, novelty, popularity lift and diversity by key; NaN if there is no list.
    """
    shares, found = demand.popularity, {}
    for k in ks:
        top = lists[:, :k]
        found[f"coverage@{k}"] = coverage(top, demand.catalogue)
        found[f"gini@{k}"] = gini(exposures(top, demand.catalogue))
        found[f"novelty@{k}"] = novelty(top, shares, least=1 / max(demand.training_users, 1))
        found[f"popularity_lift@{k}"] = popularity_lift(top, shares, demand.histories)
        if attributes is not None:
            found[f"diversity@{k}"] = intra_list_diversity(top, attributes.items)
    return {f"{PREFIX}/{key}": figure for key, figure in found.items()}


def positives(condition: str | None, system: object, test: EventLog) -> Bool[Tensor, " rows"]:
    """Select the test rows that count as interactions.

    Args:
        condition: A condition on columns, like a task's `where`. By default the rows of the tasks that retrieve count,
            or those that a baseline's `where` selects; every row if there is neither.
        system: The system that recommends.
        test: Held-out rows.

    Returns:
        True for rows that count.

    Raises:
        ConfigError: If the condition holds for no row.
    """
    batch = test.batch()
    if condition is not None:
        chosen = Rows(condition).chosen(batch)
        if not chosen.any():
            raise ConfigError(f"positives={condition!r} holds for not one of {len(test):,} test rows")
        return chosen
    if isinstance(system, TwoStage) and system.retrieves:
        tasks = [system.model.tasks[name] for name in system.retrieves]
        return torch.stack([task.row_weights(batch) > 0 for task in tasks]).any(0)
    if isinstance(system, Baseline):
        return system.rows.weights(batch) > 0
    return torch.ones(len(test), dtype=torch.bool)


def evaluate_lists(
    system: Recommends,
    rules: Mapping[str, Recommends],
    test: EventLog,
    *,
    train: EventLog,
    ks: Sequence[int] | None,
    condition: str | None,
    preference: Mapping[str, float] | None,
) -> ServedResults:
    """Evaluate the lists of a system and of simple rules, for the same users.

    Args:
        system: The system that recommends.
        rules: Simple rules, by name.
        test: Held-out rows.
        train: The rows the system was trained on.
        ks: List lengths; 10 by default.
        condition: Which rows count; see `positives`.
        preference: The weighting of the system.

    Returns:
        The results of all lists.
    """
    barred = system.seen if isinstance(system, TwoStage | Baseline) else None
    demand = Demand.of(test, train, positives(condition, system, test), barred)
    attributes = item_attributes(system, train)
    lengths = sorted(set(ks)) if ks else [min(LENGTH, demand.catalogue)]

    def results(lists: Lists) -> ListResults:
        items = lists.items
        return ListResults(list_evidence(items, demand, lengths), beyond_accuracy(items, demand, lengths, attributes))

    lists = served_lists(system, demand, train, lengths[-1], preference)
    beside = {name: results(served_lists(rule, demand, train, lengths[-1])) for name, rule in rules.items()}
    foreign = not isinstance(system, TwoStage | Baseline)
    notes = demand.notes(lengths[-1], attributes, foreign=foreign)
    return ServedResults(results(lists), beside, notes, lists.warnings(demand, foreign=foreign))
