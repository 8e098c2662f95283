"""Served: the lists that users get, evaluated on the items they interacted with afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.baselines.base import Recommends
from motet.data.batch import distinct
from motet.data.history import History
from motet.data.log import EventLog
from motet.errors import ConfigError
from motet.evaluation.described import Described, TwoStage, describe
from motet.evaluation.evidence import Evidence
from motet.metrics.base import Metric
from motet.metrics.diversity import intra_list_diversity
from motet.metrics.exposure import coverage, exposures, gini
from motet.metrics.mrr import MRR
from motet.metrics.ndcg import NDCG
from motet.metrics.novelty import novelty, popularity, popularity_lift
from motet.metrics.precision import Precision
from motet.metrics.recall import Recall
from motet.metrics.topk import HitRate
from motet.tasks.rows import Rows

USERS = 1 << 14  # users per call of `recommend`
PAIRS = 1 << 15  # pairs looked up at once, so that their lists stay in cache
LENGTH = 10  # default length of a list
PLACE = "served/unseen"
JUDGES: Mapping[str, type[HitRate | Recall | Precision | NDCG | MRR]] = {
    "hit_rate": HitRate,
    "recall": Recall,
    "precision": Precision,
    "ndcg": NDCG,
    "mrr": MRR,
}


class Listed(NamedTuple):
    """The lists of one system: evidence of their accuracy, and metrics beyond accuracy."""

    evidence: Evidence
    beyond: dict[str, float]


class Product(NamedTuple):
    """The lists of a system and of simple rules, with notes."""

    own: Listed
    beside: dict[str, Listed]
    notes: list[str]


@dataclass(frozen=True)
class Demand:
    """The items that the users of a test log interacted with, and that can be recommended to them.

    Attributes:
        users: The user rows, ascending.
        lines: For each distinct pair of a user and an item, the position of the user in `users`.
        items: The item rows of these pairs.
        rows: Position of the first row of each pair in the test log.
        seen: Items of each user in training, whether or not they may be recommended again.
        catalogue: Number of items with an id: rows 1 to `catalogue`.
        repeated: Number of pairs left out because the item counts as seen by the user.
        unknown: Number of rows left out because the user or item is unknown.
    """

    users: Int[Tensor, " users"]
    lines: Int[Tensor, " pairs"]
    items: Int[Tensor, " pairs"]
    rows: Int[Tensor, " pairs"]
    seen: History
    catalogue: int
    repeated: int
    unknown: int

    @classmethod
    def of(
        cls, test: EventLog, train: EventLog, positives: Bool[Tensor, " rows"], barred: History | None = None
    ) -> Self:
        """Collect the demand of a test log.

        Args:
            test: Held-out rows.
            train: Training rows.
            positives: Mask of the test rows that count as interactions.
            barred: Items that are not recommended to each user row; by default all their training items.

        Returns:
            The demand.
        """
        batch, width = test.batch(), len(test.items)
        known = (batch.users > 0) & (batch.items > 0) & positives
        pairs, _, first, _ = distinct((batch.users * width + batch.items)[known])
        seen = History.of(train.batch(), len(train.users), width)
        barred = seen if barred is None else barred
        served = ~torch.isin(pairs, barred.keys(width))
        new, rows = pairs[served], known.nonzero()[:, 0][first[served]]
        users, lines = (new // width).unique(return_inverse=True)
        left_out = {"repeated": len(pairs) - len(new), "unknown": int((positives & ~known).sum())}
        return cls(users, lines, new % width, rows, seen, width - 1, **left_out)

    @cached_property
    def histories(self) -> tuple[Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
        """The training items of the users: positions in `users`, and item rows."""
        lines, items = self.seen.of_users(self.users)
        return lines[items > 0], items[items > 0]

    @cached_property
    def popularity(self) -> Float[Tensor, " rows"]:
        """The share of the users of the training log who had each item row."""
        return popularity(self.seen.items, self.catalogue + 1, self.people)

    @cached_property
    def people(self) -> int:
        """Number of users in the training log."""
        return int((self.seen.starts.diff()[1:] > 0).sum())

    def ranks(self, lists: Int[Tensor, "users k"]) -> Float[Tensor, " pairs"]:
        """The rank of each pair's item on its user's list.

        Args:
            lists: Item rows, one line for each of `users`, padded with row 0.

        Returns:
            Ranks from 1; infinity if the item is not on the list.
        """
        places = torch.full((len(self.items),), torch.inf, dtype=torch.float64)
        for start in range(0, len(places), PAIRS):
            here = slice(start, start + PAIRS)
            listed = lists.index_select(0, self.lines[here]) == self.items[here, None]
            found = listed.flatten().nonzero()[:, 0]
            places[start + found // listed.shape[1]] = (found % listed.shape[1] + 1).double()
        return places

    def notes(self, k: int, described: Described | None) -> list[str]:
        """How the lists were evaluated, one sentence each.

        Args:
            k: Length of the lists.
            described: The attributes for their diversity.

        Returns:
            Sentences for a report.
        """
        diversity = "" if described is None else f"; diversity by {described.by}"
        notes = [
            f"served: the {k} items that `recommend` gives each of {len(self.users):,} users, without items seen in "
            f"training, evaluated on the {len(self.items):,} unseen items they interacted with{diversity}."
        ]
        if self.repeated:
            notes.append(
                f"{self.repeated:,} held-out pairs of a user and an item were seen in training and cannot be served."
            )
        if self.unknown:
            notes.append(f"{self.unknown:,} held-out rows have an unknown user or item, and no list.")
        return notes


def serve(
    system: Recommends, demand: Demand, train: EventLog, k: int, preference: Mapping[str, float] | None = None
) -> Int[Tensor, "users k"]:
    """The lists that a system recommends to all users of a demand.

    Args:
        system: Anything that recommends.
        demand: The users.
        train: The log that the system was trained on.
        k: Items per list, at most the number of items.
        preference: The weighting, for a system that takes one.

    Returns:
        Item rows, best first, padded with row 0.
    """
    lists = torch.zeros(len(demand.users), k, dtype=torch.int64)
    asked: dict[str, Any] = {} if preference is None else {"preference": preference}
    for start in range(0, len(lists), USERS):
        users = train.users.vocab.decode(demand.users[start : start + USERS])
        ids = system.recommend(users, k, **asked).ids
        # Ids may be numbers and None, so their type is given rather than inferred.
        named = pl.Series(ids.reshape(-1).tolist(), dtype=train.items.vocab.ids.dtype)
        lists[start : start + USERS, : ids.shape[1]] = train.items.vocab.encode(named).view(ids.shape)
    return lists


def evidence(lists: Int[Tensor, "users k"], demand: Demand, ks: Sequence[int]) -> Evidence:
    """The ranks of the demanded items on the lists.

    A list of k items is the first k of a longer one.

    Args:
        lists: Item rows, one line for each user of the demand.
        demand: The demand.
        ks: List lengths.

    Returns:
        Evidence of hit rate, recall, precision, NDCG and reciprocal rank at every length.
    """

    def metrics() -> dict[str, Metric]:
        return {f"{name}@{k}": kind(k) for k in ks for name, kind in JUDGES.items()}

    ranks, users = demand.ranks(lists), demand.users[demand.lines]
    weights = torch.ones(len(ranks))
    return Evidence(PLACE, metrics, ranks, None, demand.lines, users, demand.items, weights, demand.rows)


def beyond_accuracy(
    lists: Int[Tensor, "users k"], demand: Demand, ks: Sequence[int], described: Described | None = None
) -> dict[str, float]:
    """Metrics of lists beyond accuracy.

    Args:
        lists: Item rows, one line for each user of the demand.
        demand: The demand.
        ks: List lengths.
        described: Attributes of the items, for diversity; without them it is left out.

    Returns:
        Catalogue coverage, Gini coefficient, novelty, popularity lift and diversity by key; NaN if there is no list.
    """
    shares, found = demand.popularity, {}
    for k in ks:
        top = lists[:, :k]
        found[f"coverage@{k}"] = coverage(top, demand.catalogue)
        found[f"gini@{k}"] = gini(exposures(top, demand.catalogue))
        found[f"novelty@{k}"] = novelty(top, shares, least=1 / max(demand.people, 1))
        found[f"popularity_lift@{k}"] = popularity_lift(top, shares, demand.histories)
        if described is not None:
            found[f"diversity@{k}"] = intra_list_diversity(top, described.items)
    return {f"{PLACE}/{key}": figure for key, figure in found.items()}


def positives(condition: str | None, system: object, test: EventLog) -> Bool[Tensor, " rows"]:
    """The test rows that count as interactions.

    Args:
        condition: A condition on columns, like a task's `where`.
        system: The system that recommends. Without a condition, the rows of its tasks that retrieve count; without such
            tasks, every row.
        test: Held-out rows.

    Returns:
        True for those rows.

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
    return torch.ones(len(test), dtype=torch.bool)


def product(
    system: Recommends,
    rules: Mapping[str, Recommends],
    test: EventLog,
    *,
    train: EventLog,
    ks: Sequence[int] | None,
    chosen: str | None,
    preference: Mapping[str, float] | None,
) -> Product:
    """Evaluate the lists of a system and of simple rules for the same users.

    Args:
        system: The system that recommends.
        rules: Simple rules, by name.
        test: Held-out rows.
        train: The rows the system was trained on.
        ks: List lengths; 10 by default.
        chosen: A condition on the rows that count: see `positives`.
        preference: The weighting of the system.

    Returns:
        The evaluated lists.
    """
    barred = system.seen if isinstance(system, TwoStage) else None
    demand = Demand.of(test, train, positives(chosen, system, test), barred)
    described = describe(system, train)
    lengths = sorted(set(ks)) if ks else [min(LENGTH, demand.catalogue)]

    def listed(asked: Recommends, wish: Mapping[str, float] | None = None) -> Listed:
        lists = serve(asked, demand, train, lengths[-1], wish)
        return Listed(evidence(lists, demand, lengths), beyond_accuracy(lists, demand, lengths, described))

    beside = {name: listed(rule) for name, rule in rules.items()}
    return Product(listed(system, preference), beside, demand.notes(lengths[-1], described))
