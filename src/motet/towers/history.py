"""HistoryTower: embeds a user by all items of their history, or an item by all users who had it (SVD++, FISM)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from motet.data.batch import Batch, Columns, Distinct, distinct
from motet.data.entities import Entities
from motet.data.expression import Expression
from motet.data.history import History
from motet.data.log import EventLog
from motet.data.visitors import Visitors
from motet.errors import ConfigError, DataError, check_types
from motet.layers import Combine, Embedding
from motet.towers.encoders import Features, chosen
from motet.towers.featured import FeaturedTower
from motet.towers.twin import twin


class HistoryTower(FeaturedTower):
    r"""Adds the vector of the id, those of declared features, and a sum over the items of the user's history.

    $$ v_u = e_u + |N(u)|^{-1/2} \sum_{j \in N(u)} y_j $$

    N(u) is the set of distinct items in the user's training rows. If the item of a training row were in the sum, it
    would leak the label, so in training mode the tower leaves the item of each row out of the sum for that row. In
    evaluation mode, for requests and held-out rows, a user has one vector, from the whole history. The history is saved
    with the weights.

    A softmax uses the user's other items as negatives although they are in the sum. So let the pool spare them:
    `InBatch(spare="history")`.

    `HistoryTower(log.items, log.users)` embeds an item by the sum over the users who had it. In training it can only
    embed the items of batch rows, so use it with `InBatch()` without extra items, not with `Catalogue()`.

    Args:
        entities: The users.
        others: The log's items; or the name of their id column and the number of item rows.
        where: Which rows belong to the history, such as `"event == 'purchase'"`; by default all.
        dim: Width of the vectors.
        features: Names of the entities' features to read. None reads every declared one, `()` none.
        hidden: Widths of hidden layers. Without any, all vectors are summed.
        dropout: Share of values set to 0 in training: after every hidden layer, or of the output if there is none.
        init_scale: Embeddings start at uniform(-init_scale, init_scale).

    Raises:
        ConfigError: If both sides are the same, a name is not a declared feature, the condition cannot be read, or a
            width or share is out of range.

    Source:
        Koren, "Factorization Meets the Neighborhood: a Multifaceted Collaborative Filtering Model", KDD 2008, eq. 15.
        Kabbur et al., "FISM: Factored Item Similarity Models for Top-N Recommender Systems", KDD 2013, eq. 5, for
        leaving the row's own item out.

    Example:
        >>> import polars as pl
        >>> from motet.data.log import EventLog
        >>> from motet.data.schema import Schema
        >>> events = pl.DataFrame({"user_id": [7, 7, 9], "item_id": [1, 2, 3]})
        >>> log = EventLog.read(events, Schema())
        >>> tower = HistoryTower(log.users, log.items, dim=8)
        >>> tower.prepare(log)
        >>> tower.context, tower.eval().context
        (('item_id',), ())
    """

    ids: Embedding
    starts: Tensor
    had: Tensor
    reads_history = True

    def __init__(
        self,
        entities: Entities,
        others: Entities | Sequence[Any],
        *,
        where: str | None = None,
        dim: int = 32,
        features: Iterable[str] | None = None,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        init_scale: float = 0.05,
    ) -> None:
        super().__init__()
        names = chosen(entities, features)
        self.entities = entities
        self.reads = tuple(names)
        self.dim = dim
        check_types(Entities | list | tuple, "pass log.items for users, log.users for items", others=others)
        key, size = (others.key, len(others)) if isinstance(others, Entities) else others
        if key == entities.key:
            raise ConfigError(
                f"a HistoryTower of {key!r} needs the other side as its history, and got {key!r} again; give it "
                "log.items for users, log.users for items"
            )
        self.other_key = str(key)
        self._condition = None if where is None else Expression(where)
        self._config = {
            "others": [self.other_key, size],
            "where": where,
            "dim": dim,
            "features": names,
            "hidden": list(hidden),
            "dropout": dropout,
            "init_scale": init_scale,
        }
        self.combine = Combine(2 + len(names), dim, hidden=hidden, dropout=dropout)
        self.ids = Embedding(len(entities), dim, init_scale=init_scale)
        self.others = Embedding(size, dim, init_scale=init_scale)
        self.features = Features(entities, names, dim=dim, init_scale=init_scale, sparse=False)
        self.register_buffer("starts", torch.zeros(len(entities) + 1, dtype=torch.int64))
        self.register_buffer("had", torch.zeros(0, dtype=torch.int64))

    @property
    def context(self) -> tuple[str, ...]:  # type: ignore[override]  # it depends on the mode
        """In training mode, the id column of the other side, which holds the row's own item; otherwise empty."""
        return (self.other_key,) if self.training else ()

    def prepare(self, train: Columns) -> None:
        """Collect the histories, and standardise numbers on the training rows.

        Args:
            train: The training log.
        """
        super().prepare(train)
        batch = train.batch()
        chosen_rows = batch[self.other_key] > 0
        if self._condition is not None:
            chosen_rows &= self._condition(batch)
        pairs = {key: batch[key][chosen_rows] for key in (self.entities.key, self.other_key)}
        events = Batch(pairs, self.entities.key, self.other_key)
        history = History.of(events, len(self.entities), len(self.others.weight))
        self.starts, self.had = history.to(self.ids.weight.device)

    def history_where(self, log: EventLog) -> str | None:  # noqa: ARG002
        """The condition `where`; see `Tower.history_where`."""
        return None if self._condition is None else self._condition.text

    def for_visitors(self, visitors: Visitors) -> Self:
        """Embed visitors by ids, features, and their history with the added items; see `Tower.for_visitors`."""
        device = self.had.device
        users, who, added = (rows.to(device) for rows in (visitors.rows, visitors.who, visitors.items))
        starts, had = History(self.starts, self.had).with_added(users, who, added, len(self.others.weight))
        return twin(super().for_visitors(visitors), starts=starts, had=had)

    def forward(self, batch: Batch) -> Float[Tensor, "batch dim"]:
        """Embed `batch[entities.key]`, in training without the row's own item in the history.

        Args:
            batch: Needs the id column and, in training, that of the other side.

        Returns:
            One vector for each row of the batch.

        Raises:
            DataError: If the other side's column is absent in training.
        """
        if self.training and self.other_key not in batch:
            raise DataError(
                f"the tower of {self.entities.key!r} is in training and leaves each row's own {self.other_key!r} out "
                "of the history, but the batch has no such column; add it, or call .eval() to embed the whole history"
            )
        rows = batch[self.entities.key]
        out: Tensor = self.combine([self.ids(rows), self._history(rows, batch), *self.features(rows)])
        return out

    def _history(self, rows: Tensor, batch: Batch) -> Float[Tensor, "batch dim"]:
        """The scaled sum over each row's history, computed once per distinct entity."""
        each = distinct(rows)
        who, had = History(self.starts, self.had).of_users(each.rows)
        counts = torch.bincount(who, minlength=len(each.rows))
        bags = F.embedding_bag(had, self.others.weight, counts.cumsum(0) - counts, mode="sum")
        sums, counts = bags[each.index], counts[each.index]
        if self.training:
            own = batch[self.other_key]
            inside = _contains(who * len(self.others.weight) + had, each, own, len(self.others.weight))
            sums = sums - self.others(own) * inside[:, None]
            counts = counts - inside.long()
        return sums * counts.clamp(min=1).rsqrt()[:, None]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Resize the buffer to the saved history, which may have another length."""
        saved = state_dict.get(f"{prefix}had")
        if saved is not None:
            self.had = self.had.new_zeros(saved.shape)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _contains(pairs: Tensor, each: Distinct, own: Tensor, size: int) -> Bool[Tensor, " batch"]:
    """Whether each row's own item is in the history of its user; the pairs are sorted."""
    wanted = each.index * size + own
    if not len(pairs):
        return torch.zeros_like(wanted, dtype=torch.bool)
    found: Tensor = pairs[torch.searchsorted(pairs, wanted).clamp(max=len(pairs) - 1)] == wanted
    return found
