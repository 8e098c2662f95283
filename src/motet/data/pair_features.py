"""PairFeatures: what a user did with an item so far, as numeric columns that a head can read.

A user vector and an item vector do not tell whether this user viewed this very item. These columns do, for every event
type: whether the pair occurred, how often its user and its item did, and how similar the item is to the user's others.
A `WithContext` task reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from motet.data.log import EventLog
from motet.data.neighbours import Neighbours
from motet.data.pair_counts import PairCounts
from motet.data.schema import Numeric
from motet.errors import ConfigError, did_you_mean

PAIRS = 1 << 17  # pairs per block, to bound the memory for the items of their users


class PairFeatures:
    """Computes features of user-item pairs from the events of a log.

    For each event type, say `view`:

    - `pair_view`: 1 if the user viewed the item, else 0;
    - `user_view`, `item_view`: log(1 + n) for the number of items that the user viewed, and of users who viewed the
      item. From logarithms of counts a head can form ratios, such as the share of views that lead to a purchase;
    - `near_view`, `nearest_view`: the sum and the maximum of the item's similarities to the items that the user viewed,
      if neighbours are given for that type.

    Labels must not be counted. If the log has a time, `add` counts only the events before each row, so that no row
    counts itself or its consequences. Otherwise the log must not contain the rows that `add` receives. `masked_pairs`
    makes labelled rows from the log itself.

    Args:
        log: The events to count; its schema names the column of event types. Those of unknown users or items do not
            count.
        near: By event type, the neighbours that give the similarities. They may come from another type:
            `{"buy": neighbours_by_views}` compares the item with those that the user bought, by shared viewers.

    Raises:
        ConfigError: If the schema names no event column, or `near` names an event type that is not in the log.

    Example:
        >>> import polars as pl
        >>> from motet.data.schema import Schema
        >>> events = {"user_id": [1, 1, 2], "item_id": [5, 6, 5], "event": ["view", "view", "buy"]}
        >>> log = EventLog.read(pl.DataFrame(events), Schema(event="event"))
        >>> features = PairFeatures(log)
        >>> features.names
        ('pair_buy', 'user_buy', 'item_buy', 'pair_view', 'user_view', 'item_view')
        >>> features.columns(log.columns["user_id"], log.columns["item_id"])["pair_view"]
        tensor([1., 1., 0.])
    """

    def __init__(self, log: EventLog, *, near: Mapping[str, Neighbours] | None = None) -> None:
        event = log.schema.event
        if event is None:
            raise ConfigError("PairFeatures counts events by type: name the column of event types, Schema(event=...)")
        self.near = dict(near or {})
        codes = {str(kind): code for code, kind in enumerate(log.vocabs[event].ids, start=1)}
        kinds = sorted(codes)
        for kind in self.near:
            if kind not in kinds:
                raise ConfigError(
                    f"near={kind!r} is not an event type in the log{did_you_mean(kind, kinds)} "
                    f"Types: {', '.join(kinds)}."
                )
        batch, self._time = log.batch(), log.schema.time
        times = torch.zeros(len(log)) if self._time is None else batch[self._time]
        known = (batch.users > 0) & (batch.items > 0)  # the unknown are not one user, and not one item
        self._counts: dict[str, PairCounts] = {}
        for kind in kinds:
            rows = known & (batch[event] == codes[kind])
            counted = PairCounts.of(batch.take(rows), times[rows].double(), users=len(log.users), items=len(log.items))
            self._counts[kind] = counted

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        counts, near = ("pair", "user", "item"), ("near", "nearest")
        return tuple(f"{what}_{kind}" for kind in self._counts for what in counts + near * (kind in self.near))

    def columns(
        self,
        users: Int[Tensor, " pairs"],
        items: Int[Tensor, " pairs"],
        *,
        before: Real[Tensor, " pairs"] | None = None,
    ) -> dict[str, Float[Tensor, " pairs"]]:
        """Compute the features of pairs.

        Args:
            users: User rows.
            items: Item rows.
            before: The time of each pair in seconds; only earlier events count. By default the whole log counts.

        Returns:
            One number per pair, by column.
        """
        times = torch.full(users.shape, torch.inf) if before is None else before
        parts = zip(users.split(PAIRS), items.split(PAIRS), times.double().split(PAIRS), strict=True)
        blocks = [self._block(*part) for part in parts]
        return {name: torch.cat([block[name] for block in blocks]) for name in self.names}

    def _block(self, users: Tensor, items: Tensor, before: Tensor) -> dict[str, Tensor]:
        """The features of one block of pairs, by column."""
        found: dict[str, Tensor] = {}
        for kind, counts in self._counts.items():
            found[f"pair_{kind}"] = counts.occurred(users, items, before).float()
            found[f"user_{kind}"] = counts.of_users(users, before).float().log1p()
            found[f"item_{kind}"] = counts.of_items(items, before).float().log1p()
            if kind in self.near:
                which, others, earlier = counts.earlier_items(users, before)
                similarity = self.near[kind].similarity(items[which], others) * earlier
                found[f"near_{kind}"] = torch.zeros(len(users)).index_add(0, which, similarity)
                found[f"nearest_{kind}"] = torch.zeros(len(users)).scatter_reduce(0, which, similarity, "amax")
        return found

    def add(self, log: EventLog) -> EventLog:
        """Add the features to a log as context columns.

        Args:
            log: Rows with the same users and items; if it has no times, none of them may be among the counted events.

        Returns:
            The log with the columns, which its schema declares as numeric context features.

        Raises:
            ConfigError: If the log already has a column of that name.
        """
        taken = [name for name in self.names if name in log.columns]
        if taken:
            raise ConfigError(f"the log already has a column {taken[0]!r}; drop it, or rename it")
        batch = log.batch()
        context = {**log.schema.context_features, **{name: Numeric() for name in self.names}}
        before = None if self._time is None or log.schema.time is None else batch[log.schema.time]
        columns = {**log.columns, **self.columns(batch.users, batch.items, before=before)}
        return replace(log, schema=replace(log.schema, context_features=context), columns=columns)
