"""FoldIn: the vectors of a request's users, strangers to the training log included, without training.

Features and events of a request count as if they were in the training log. The user tower embeds those that it reads
with its trained weights; for a tower that reads no history, `HistoryMap` approximates the effect of the events. Users
for whom a request adds nothing keep their trained vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from motet.data.entities import Codes, Numbers
from motet.data.expression import Expression
from motet.data.log import EventLog
from motet.data.request_events import RequestEvents
from motet.data.request_features import request_features
from motet.data.schema import Categorical, Timestamp
from motet.data.visitors import Visitors
from motet.history_map import HistoryMap
from motet.retrievers.chosen import chosen
from motet.scorer import Askers, Scorer


class FoldIn:
    """Embeds the users of a request.

    Features of a request replace those of the log, and its events are added to the user's own. A tower that reads them
    embeds them as in training, with the mean id vector for a stranger. If the tower reads no history, the events move
    the user's vector by a linear map: see `HistoryMap`.

    Args:
        scorer: The scorer of the trained model.
        log: The training log.
        seen: The rows that exclude an item from a user's recommendations; by default all.

    Attributes:
        histories: The items of each user in the log.
        seen: The items of each user in the rows that `seen` selects.
        history_map: Moves user vectors if the tower reads no history.
    """

    def __init__(self, scorer: Scorer, log: EventLog, *, seen: str | None = None) -> None:
        self.scorer = scorer
        self.log = log
        self.histories = chosen(log, None)
        self.seen = self.histories if seen is None else chosen(log, seen)
        self.history_map = HistoryMap(scorer, self.histories)
        self._counts_as_seen = None if seen is None else Expression(seen)
        self._tower_reads = _condition_on_events(scorer.model.user.history_where(log), log)
        self._no_events = RequestEvents.of(None, (), torch.zeros(0, dtype=torch.int64), log)

    def __call__(
        self,
        ids: Sequence[str] | Sequence[int],
        *,
        features: object = None,
        histories: object = None,
    ) -> Askers:
        """Look users up, and embed them with the features and events of the request.

        Args:
            ids: The users, known or not.
            features: A table with one row per user, or a mapping from feature to value for a single user. The columns
                of the request's context that the tower reads are among them.
            histories: Items by user, or a table of events; see `RequestEvents.of`. An event counts as seen unless
                `seen` rules it out, and the tower reads it unless the tower's own condition rules it out. A missing
                value rules nothing out.

        Returns:
            The users, one line per id.

        Raises:
            ConfigError: If features are given and the tower reads none, or `histories` names a user who is not in
                `ids`.
            DataError: If a feature does not match its declaration, or an item is unknown.
        """
        users, tower = self.log.users, self.scorer.model.user
        rows = users.vocab.encode(ids)
        rows = rows * self.scorer.known[rows]  # whose vector is not trained is a stranger
        if _is_empty(features) and _is_empty(histories):
            basis = _basis({"known": rows > 0})
            return Askers(rows, self.scorer.users(rows), self.seen.lines(rows), self._no_events, basis)
        events = RequestEvents.of(histories, ids, rows, self.log)
        values, overridden = request_features(features, ids, rows, users, tower.reads, self._context)
        read, seen = events.where(self._tower_reads), events.where(self._counts_as_seen)
        visitors = Visitors(rows, values, read.who, read.items, self._mean_id)
        return Askers(
            rows,
            self._embed(visitors, overridden),
            self.seen.with_added(rows, seen.who, seen.items, len(self.log.items)).lines(),
            events,
            _basis({"features": overridden, "history": visitors.added(), "known": rows > 0}),
        )

    def _embed(self, visitors: Visitors, overridden: Bool[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        """The vectors of visitors: the trained ones, replaced or moved where the request adds something."""
        scorer, tower = self.scorer, self.scorer.model.user
        vectors = scorer.users(visitors.rows)
        changed = (overridden | (visitors.added() & tower.reads_history)).nonzero()[:, 0]
        if len(changed):
            twin = tower.for_visitors(visitors.take(changed))
            replaced = scorer.embed(twin, torch.arange(len(changed), device=scorer.device))
            vectors = vectors.index_put((changed.to(scorer.device),), replaced)
        if len(visitors.who) and not tower.reads_history:
            vectors = vectors + self.history_map.shift(visitors)
        return vectors

    @cached_property
    def _context(self) -> dict[str, Codes | Numbers]:
        """The context columns that the tower reads and a request can give, each with one unknown value."""
        unknown: dict[str, Codes | Numbers] = {}
        for name, kind in self.scorer.model.user.reads_context.items():
            if not isinstance(kind, Categorical):
                dtype = torch.float64 if isinstance(kind, Timestamp) else torch.float32
                unknown[name] = Numbers(torch.full((1,), torch.nan, dtype=dtype))
            elif name in self.log.vocabs:
                unknown[name] = Codes(torch.zeros(1, dtype=torch.int64), self.log.vocabs[name])
        return unknown

    @cached_property
    @torch.no_grad()
    def _mean_id(self) -> Float[Tensor, " dim"] | None:
        """The mean id vector of the users in the log; None if the tower reads nothing that a request can change."""
        tower = self.scorer.model.user
        if not tower.reads and not tower.reads_context and not tower.reads_history:
            return None
        return tower.mean_id(self.histories.users.to(self.scorer.device))


def _is_empty(source: object) -> bool:
    return source is None or (isinstance(source, Mapping) and not source)


def _basis(evidence: Mapping[str, Bool[Tensor, " n"]]) -> npt.NDArray[np.object_]:
    """The name of the last evidence that each line has, "popularity" without any."""
    basis = np.full(len(next(iter(evidence.values()))), "popularity", dtype=object)
    for name, has in evidence.items():
        basis[has.numpy()] = name
    return basis


def _condition_on_events(where: str | None, log: EventLog) -> Expression | None:
    """A tower's condition on the events it reads, or None if it reads columns that events of a request do not have."""
    if where is None:
        return None
    schema, condition = log.schema, Expression(where)
    available = {schema.user, schema.item, schema.time, schema.event, *schema.signals}
    return condition if available.issuperset(condition.columns) else None
