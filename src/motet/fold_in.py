"""FoldIn: from ids, and the features and histories of a request, to vectors, without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

from motet.data.expression import Expression
from motet.data.history import History
from motet.data.log import EventLog
from motet.data.request_events import RequestEvents
from motet.data.request_features import request_features
from motet.data.visitors import Visitors
from motet.retrievers.chosen import chosen
from motet.scorer import Askers, Scorer

SHRINK = 3.0  # a history counts as if so many typical items were in it: one item alone says little
SUMMED = 1 << 13  # item vectors that are gathered at once: memory that is used again, which fresh one is slower than
PAIRS = 1 << 14  # of users of the log and their items, roughly, that are summarized at once: each takes some 80 bytes
RIDGE = 0.1  # share of the mean variance that is added to every direction


class FoldIn:
    r"""Embeds the users of a request: those of the training log, and strangers.

    Features and events of a request count as if they were in the log: features replace the log's, items are added to
    the user's own. A tower that reads them embeds them with its trained weights, and a stranger's id as the mean of
    all. For a tower that reads no history, a linear map goes from the mean item vector of known users' histories to
    their vectors:

    $$ x(N) = \frac{1}{|N| + 3} \sum_{j \in N} (v_j - \bar v), \qquad
       u' = u + W \, [x(N \cup H) - x(N)], \qquad W = \arg\min_W \sum_k \lVert u_k - \bar u - W x(N_k) \rVert^2
       + \lambda \lVert W \rVert^2 $$

    where H is the history in the request, N that of the log, u the user's vector, or the mean of all for a stranger,
    and $\bar v$ the mean over users of the mean vector of their items. `benchmarks/strangers.py` compares it with the
    mean of similar users and a ridge regression on item vectors.

    Args:
        scorer: The scorer of the trained model.
        log: The training log.
        seen: The rows that exclude an item from a user's recommendations; by default all.

    Attributes:
        had: The items of each user's rows.
        seen: The items of the rows that `seen` selects.

    Source:
        Paterek, "Improving Regularized Singular Value Decomposition for Collaborative Filtering", KDD Cup 2007, for
        user vectors as functions of their items' vectors.
    """

    def __init__(self, scorer: Scorer, log: EventLog, *, seen: str | None = None) -> None:
        self.scorer = scorer
        self.users = log.users
        self.items = log.items
        self.log = log
        self.rule = None if seen is None else Expression(seen)
        self._read = _condition_on_requests(scorer.model.user.history_where(log), log)
        self._nothing = RequestEvents.of(None, (), torch.zeros(0, dtype=torch.int64), log)
        self.had = chosen(log, None)
        self.seen = self.had if seen is None else chosen(log, seen)

    def __call__(
        self,
        ids: Sequence[str] | Sequence[int],
        *,
        features: object = None,
        histories: object = None,
    ) -> Askers:
        """Look users up, and embed them with the features and histories of the request.

        Args:
            ids: Known or not.
            features: A table with one row a user, or a mapping from feature to value of a single one.
            histories: Items by user, or a table of events, as `RequestEvents.of` reads them. An event counts as seen
                unless `seen` rules it out, and a tower takes it in unless its own condition does; what is not stated
                rules nothing out.

        Returns:
            One line an id.

        Raises:
            ConfigError: If the tower reads no features, or `histories` names a user who is not asked for.
            DataError: If a feature does not match its declaration, or an item is unknown.
        """
        scorer, tower = self.scorer, self.scorer.model.user
        rows = self.users.vocab.encode(ids)
        rows = rows * scorer.known[rows]
        if _says_nothing(features) and _says_nothing(histories):
            basis = np.array(["popularity", "known"], dtype=object)[(rows > 0).long().numpy()]
            return Askers(rows, scorer.users(rows), self.seen.lines(rows), self._nothing, basis)
        events = RequestEvents.of(histories, ids, rows, self.log)
        read = events.where(self._read)
        who, items = read.who, read.items
        given, overridden = request_features(features, ids, rows, self.users, tower.reads)
        visitors = Visitors(rows, given, who, items, self._mean_id if tower.reads or tower.reads_history else None)
        added = visitors.added()
        vectors = scorer.users(rows)
        changed = (overridden | (added & tower.reads_history)).nonzero()[:, 0]
        if len(changed):
            twin = tower.for_visitors(visitors.take(changed))
            vectors = vectors.index_put(
                (changed.to(scorer.device),), scorer.embed(twin, torch.arange(len(changed), device=scorer.device))
            )
        if len(who) and not tower.reads_history:
            vectors = vectors + (self._summary(visitors) - self._summary(Visitors(rows))) @ self._map
        basis = np.array(["popularity", "features", "history", "known"], dtype=object)
        best = torch.stack([torch.zeros_like(added), overridden, added, rows > 0]).long() * torch.arange(4)[:, None]
        barring = events.where(self.rule)
        seen = self.seen.with_added(rows, barring.who, barring.items, len(self.items))
        return Askers(rows, vectors, seen.lines(), events, basis[best.amax(0).numpy()])

    def _with_added(self, history: History, visitors: Visitors) -> History:
        """What each had by a history of the log, and by the request."""
        return history.with_added(visitors.rows, visitors.who, visitors.items, len(self.items))

    @torch.no_grad()
    def _summary(self, visitors: Visitors) -> Float[Tensor, "n dim"]:
        """The mean item vector of each history, drawn towards the typical one, and as the difference from that."""
        had = self._with_added(self.had, visitors).to(self.scorer.device)
        counts = had.starts.diff()[:, None]
        return (self._sums(had) - counts * self._typical) / (counts + SHRINK)

    def _sums(self, had: History) -> Float[Tensor, "n dim"]:
        """The sum of the item vectors of each history, some pairs at a time: only their vectors are copied."""
        starts = had.starts
        edges = torch.searchsorted(starts, torch.arange(0, len(had.items), SUMMED, device=starts.device)).tolist()
        sums = [self.scorer.items.new_zeros(0, self.scorer.items.shape[1])]
        for first, last in pairwise(dict.fromkeys([0, *edges, len(starts) - 1])):
            begin, end = int(starts[first]), int(starts[last])
            vectors, places = self.scorer.items[had.items[begin:end]], torch.arange(end - begin, device=starts.device)
            sums.append(embedding_bag(places, vectors, starts[first:last] - begin, mode="sum"))
        return torch.cat(sums)

    @cached_property
    def _trained(self) -> Int[Tensor, " n"]:
        """Rows of the users with events."""
        rows = (self.had.starts.diff() > 0).nonzero()[:, 0]
        return rows[rows > 0]

    @cached_property
    @torch.no_grad()
    def _mean_id(self) -> Tensor | None:
        return self.scorer.model.user.mean_id(self._trained.to(self.scorer.device))

    @cached_property
    def _blocks(self) -> Sequence[Visitors]:
        """The users with events, so many at a time that the memory for all of them together is never needed."""
        size = PAIRS * len(self._trained) // max(1, len(self.had.items))
        return [Visitors(rows) for rows in self._trained.split(max(1, size))]

    @cached_property
    def _typical(self) -> Float[Tensor, " dim"]:
        return torch.cat([self._mean(block) for block in self._blocks]).mean(0)

    def _mean(self, visitors: Visitors) -> Float[Tensor, "n dim"]:
        """The mean item vector of each history."""
        had = self._with_added(self.had, visitors).to(self.scorer.device)
        return self._sums(had) / had.starts.diff().clamp(min=1)[:, None]

    @cached_property
    def _map(self) -> Float[Tensor, "item_dim user_dim"]:
        """W."""
        x, vectors = torch.cat([self._summary(block) for block in self._blocks]), self.scorer.users(self._trained)
        square = x.T @ x
        ridge = (RIDGE * square.diagonal().mean()).clamp(min=1e-12)
        square = square + ridge * torch.eye(len(square), device=square.device)
        solved: Tensor = torch.linalg.solve(square, x.T @ (vectors - vectors.mean(0)))
        return solved


def _says_nothing(source: object) -> bool:
    return source is None or (isinstance(source, Mapping) and not source)


def _condition_on_requests(where: str | None, log: EventLog) -> Expression | None:
    """A condition, unless it reads columns that a request cannot have, such as the context: that rules nothing out."""
    schema = log.schema
    columns = {schema.user, schema.item, schema.time, schema.event, *schema.signals}
    condition = None if where is None else Expression(where)
    return condition if condition is not None and columns.issuperset(condition.columns) else None
