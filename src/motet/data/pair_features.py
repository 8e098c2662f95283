"""PairFeatures: counts of a user's events with an item, as columns for a head to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Self

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from motet.data.batch import Batch
from motet.data.history import History
from motet.data.log import EventLog
from motet.data.neighbours import Neighbours
from motet.data.schema import Numeric
from motet.errors import ConfigError, did_you_mean

PAIRS = 1 << 17  # pairs per block, to bound memory


class PairFeatures:
    """Counts of events by type, for any pairs of a user and an item.

    For each event type, say `view`:

    - `pair_view`: whether the user viewed the item;
    - `user_view`, `item_view`: log(1 + n) of the number of items that the user viewed, and of users who viewed the
      item. From logarithms of counts a head can form ratios, such as the share of views that lead to a purchase;
    - `near_view`, `nearest_view`: the sum and the maximum of the item's similarities to all items that the user viewed,
      if neighbours are given for that type.

    Labels must not be counted. If the log has a time, `add` counts only events before each row, so no row sees itself
    or its consequences; otherwise, count a log that does not contain the rows passed to `add`. `masked_pairs` makes
    labelled rows from the log itself.

    Args:
        log: The events to count; its schema names the event column.
        near: By event type, the neighbours to look for among the user's items of that type. They may come from another
            type: `{"buy": neighbours_by_views}` compares the item with what the user bought, by shared viewers.

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
        self.sizes = (len(log.users), len(log.items))
        batch = log.batch()
        rows = {kind: batch[event] == codes[kind] for kind in kinds}
        self._time = log.schema.time
        times = torch.zeros(len(log)) if self._time is None else batch[self._time]
        self._counts = {
            kind: _Counts.of(batch.take(chosen), times[chosen].double(), self.sizes) for kind, chosen in rows.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(name for kind in self._counts for name in _names(kind, near=kind in self.near))

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
            before: Times in seconds; only earlier events are counted. By default the whole log is.

        Returns:
            One number per pair, by column.
        """
        moments = torch.full(users.shape, torch.inf) if before is None else before
        found: dict[str, Tensor] = {}
        for kind, counts in self._counts.items():
            near = self.near.get(kind)
            blocks = zip(users.split(PAIRS), items.split(PAIRS), moments.double().split(PAIRS), strict=True)
            parts = torch.cat([torch.stack(counts.of_pairs(*each, near=near)) for each in blocks], 1)
            found |= zip(_names(kind, near=kind in self.near), parts, strict=True)
        return found

    def add(self, log: EventLog) -> EventLog:
        """Add the features to a log as context.

        Args:
            log: Rows of the same users and items; without times, they must not be among those counted.

        Returns:
            A log whose schema declares the columns as numeric context features.

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


def _names(kind: str, *, near: bool) -> list[str]:
    found = [f"pair_{kind}", f"user_{kind}", f"item_{kind}"]
    return [*found, f"near_{kind}", f"nearest_{kind}"] if near else found


class _Counts(NamedTuple):
    """The distinct pairs of one event type, each at its first time, ready to be counted up to any time."""

    history: History
    pairs: Int[Tensor, " pairs"]  # `user * items + item`, ascending, as in the history
    first: Float[Tensor, " pairs"]  # time of each pair
    moments: Float[Tensor, " pairs"]  # the same times, ascending
    by_user: Int[Tensor, " pairs"]  # `user * (pairs + 1) + position in moments`, ascending
    by_item: Int[Tensor, " pairs"]
    items: int

    @classmethod
    def of(cls, batch: Batch, times: Float[Tensor, " rows"], sizes: tuple[int, int]) -> Self:
        pairs, which = (batch.users * sizes[1] + batch.items).unique(return_inverse=True)
        first = times.new_full((len(pairs),), torch.inf).scatter_reduce(0, which, times, "amin")
        moments, order = first.sort()
        place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))
        by_user, by_item = (
            (rows * (len(pairs) + 1) + place).sort().values for rows in (pairs // sizes[1], pairs % sizes[1])
        )
        return cls(History.of(batch, *sizes), pairs, first, moments, by_user, by_item, sizes[1])

    def of_pairs(self, users: Tensor, items: Tensor, before: Tensor, *, near: Neighbours | None) -> list[Tensor]:
        """The columns of `_names` for some pairs."""
        place = torch.searchsorted(self.moments, before)  # the number of earlier pairs
        found = [self._among(users * self.items + items, before)]
        found += [self._earlier(self.by_user, users, place), self._earlier(self.by_item, items, place)]
        return found if near is None else [*found, *self._alike(users, items, before, near)]

    def _among(self, keys: Tensor, before: Tensor) -> Tensor:
        """1 for each pair that occurred before the given time."""
        if not len(self.pairs):
            return torch.zeros(len(keys))
        at = torch.searchsorted(self.pairs, keys).clamp(max=len(self.pairs) - 1)
        return ((self.pairs[at] == keys) & (self.first[at] < before)).float()

    def _earlier(self, keys: Tensor, rows: Tensor, place: Tensor) -> Tensor:
        """log(1 + n) of each user's, or each item's, number of pairs among the first `place` ones."""
        low = rows * (len(keys) + 1)
        return (torch.searchsorted(keys, low + place) - torch.searchsorted(keys, low)).float().log1p()

    def _alike(self, users: Tensor, items: Tensor, before: Tensor, near: Neighbours) -> list[Tensor]:
        """Sum and maximum of the similarities to what the user had before."""
        which, own = self.history.of_users(users)
        at = torch.searchsorted(self.pairs, users[which] * self.items + own)
        similarity = near.similarity(items[which], own) * (self.first[at] < before[which])
        total = torch.zeros(len(users)).index_add(0, which, similarity)
        return [total, torch.zeros(len(users)).scatter_reduce(0, which, similarity, "amax")]
