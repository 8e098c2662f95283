"""Corpus: the held-out positives, which are ranked among all items of the catalogue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.data.entities import Entities
from motet.data.history import History
from motet.data.log import EventLog
from motet.errors import DataError
from motet.evaluation.evidence import Evidence, Metrics
from motet.index.places import places
from motet.metrics.base import CorpusMetric, Metric
from motet.metrics.ranks import Ties, both_ranks
from motet.metrics.scorers import Dot, NaNScoreError, Pairs, Scorer

Protocol = Literal["all items", "unseen"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)


class Queries(NamedTuple):
    """The queries that rank the catalogue: one per user, or one per positive.

    Attributes:
        of_positive: The query of each positive.
        user: The user row of each query.
    """

    of_positive: Int[Tensor, " rows"]
    user: Int[Tensor, " queries"]


@dataclass(frozen=True)
class Corpus:
    """The held-out positives with a known item, and how to rank them.

    Attributes:
        rows: The position of each positive in the test log.
        users: The user row of each positive.
        items: The item row of each positive.
        seen: The training items of every user, which the protocol `unseen` leaves out.
        catalogue: Number of known items: item rows 1 to `catalogue` are the candidates.
        protocols: The protocols to rank under.
        ties: The rank of equal scores.
        entities: The users and the items, whose ids an error names.
        each_row: Whether every positive has its own query, because a user's vector depends on the row.
    """

    rows: Int[Tensor, " rows"]
    users: Int[Tensor, " rows"]
    items: Int[Tensor, " rows"]
    seen: History
    catalogue: int
    protocols: Sequence[Protocol]
    ties: Ties
    entities: tuple[Entities, Entities]
    each_row: bool = False

    @classmethod
    def of(cls, test: EventLog, train: EventLog, protocols: Sequence[Protocol], ties: Ties) -> Self:
        """Collect the positives of a test log.

        Args:
            test: Held-out rows.
            train: Training rows.
            protocols: The protocols to rank under.
            ties: The rank of equal scores.

        Returns:
            The positives, on the device of the test log.
        """
        batch = test.batch()
        rows = (batch.items > 0).nonzero().squeeze(1)
        seen = History.of(train.batch(), len(train.users), len(train.items))
        users, items = batch.users[rows], batch.items[rows]
        return cls(rows, users, items, seen, len(test.items) - 1, protocols, ties, (test.users, test.items))

    def to(self, device: torch.device) -> Self:
        """Move the positives to a device.

        Args:
            device: The target.

        Returns:
            The positives.
        """
        rows, users, items = (part.to(device) for part in (self.rows, self.users, self.items))
        return replace(self, rows=rows, users=users, items=items, seen=self.seen.to(device))

    def queries(self) -> Queries:
        """One query per known user, and one per row of unknown users, who may be many; or one per row."""
        each = torch.arange(len(self.rows), device=self.rows.device)
        if self.each_row:
            return Queries(each, self.users)
        users, query = self.users.where(self.users > 0, -each).unique(return_inverse=True)
        return Queries(query, users.clamp(min=0))

    def evidence(
        self, scorer: Scorer, queries: Queries, metrics: Metrics, weights: Float[Tensor, " rows"], name: str
    ) -> list[Evidence]:
        """Rank all positives under every protocol.

        Args:
            scorer: Scores queries against candidates; candidate c is item row c + 1.
            queries: The query of each positive.
            metrics: Creates the metrics.
            weights: The weight of each positive; those of weight 0 are not ranked.
            name: The name of the task.

        Returns:
            Evidence under `name/protocol`, for each protocol.

        Raises:
            DataError: If a score is NaN; the message names the user and the item.
        """
        counted = weights != 0
        query, users, items = queries.of_positive[counted], self.users[counted], self.items[counted]
        try:
            found = self._ranks(scorer, Pairs(query, items - 1), queries.user, _depth(metrics()))
        except NaNScoreError as error:
            rows = int(queries.user[error.query]), error.candidate + 1
            pair = [
                f"{each.key} {each.vocab.decode_list([row])[0]!r}"
                for each, row in zip(self.entities, rows, strict=True)
            ]
            raise DataError(f"the score of {' and '.join(pair)} is NaN, {error.rule}") from error
        columns = (None, query, users, items, weights[counted], self.rows[counted])
        return [Evidence(f"{name}/{protocol}", metrics, found[protocol], *columns) for protocol in self.protocols]

    def notes(self, test: EventLog) -> list[str]:
        """Describe the size of the ranking and the rows that are left out.

        Args:
            test: The test log.

        Returns:
            Sentences for a report.
        """
        notes = [f"{len(self.rows):,} held-out rows, each item ranked among {self.catalogue:,}; ties {self.ties}."]
        if "unseen" in self.protocols:
            notes.append(f"`unseen` leaves out the items the user had in training{self._repeated()}.")
        if self.each_row:
            notes.append("Every row is a query of its own: a user's vector depends on the row.")
        if left_out := len(test) - len(self.rows):
            notes.append(f"{left_out:,} held-out rows have an unknown item and are left out of rankings.")
        if absent := int((self.seen.starts.diff()[self.users] == 0).sum()):
            notes.append(f"{absent:,} held-out rows belong to users without a training row.")
        return notes

    def _repeated(self) -> str:
        """The number of positives that the user already had in training, for the note on `unseen`."""
        width = self.catalogue + 1
        pairs = (self.users * width + self.items)[self.users > 0]
        repeated = int(torch.isin(pairs, self.seen.keys(width)).sum())
        return (
            f", but never the held-out item itself: {repeated:,} rows repeat an item from training" if repeated else ""
        )

    def _ranks(self, scorer: Scorer, positives: Pairs, users: Tensor, depth: int | None) -> dict[Protocol, Tensor]:
        """The rank of each positive by protocol, with every query scored once for all protocols."""
        seen = self._seen(users) if "unseen" in self.protocols else Pairs(*users.new_zeros(2, 0))
        if depth is not None and isinstance(scorer, Dot):
            both = places(scorer, positives, exclude=seen, within=depth, ties=self.ties)
        else:
            both = both_ranks(scorer, positives, candidates=self.catalogue, exclude=seen, ties=self.ties, within=depth)
        return {"all items": both.whole, "unseen": both.left}

    def _seen(self, users: Tensor) -> Pairs:
        """The pairs of a query and an item that its user had in training."""
        queries, items = self.seen.of_users(users)
        return Pairs(queries[items > 0], items[items > 0] - 1)


def _depth(metrics: Mapping[str, Metric]) -> int | None:
    """The largest rank that any of the metrics depends on; None if there is no such bound."""
    depth = max((each.depth if isinstance(each, CorpusMetric) else math.inf for each in metrics.values()), default=1)
    return None if math.isinf(depth) else math.ceil(depth)
