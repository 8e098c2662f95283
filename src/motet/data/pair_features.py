"""PairFeatures: what a log knows of a user with an item, as columns for a head to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.data.history import History
from motet.data.log import EventLog
from motet.data.neighbours import Neighbours
from motet.data.schema import Numeric
from motet.errors import ConfigError, did_you_mean

PAIRS = 1 << 17  # pairs whose users' items are held at once


class PairFeatures:
    """Counts of a log by kind of event, for any pairs of user and item.

    For each kind of event, say `view`:

    - `pair_view`: whether the user viewed the item;
    - `user_view`, `item_view`: the log of 1 + how many items the user viewed, and how many users viewed the item. A
      head that reads the logs of several counts can form their ratios: views that turn into purchases;
    - `near_view`, `nearest_view`: the sum and the largest of the item's similarities to all that the user viewed, where
      neighbours are given for that kind.

    A pair that is a label must not be counted: count a log without it. `add` it to rows that were left out of the log,
    never to rows of it.

    Args:
        log: What is counted; its schema names the event column.
        near: By kind of event: the neighbours to look for among the user's items of that kind. They need not be of the
            same kind: `{"buy": neighbours_by_views}` asks for what is viewed by those who view what the user bought.

    Raises:
        ConfigError: If the schema names no event, or `near` names a kind that is not in the log.

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
            raise ConfigError("PairFeatures count events by kind: name the log's column of kinds, Schema(event=...)")
        self.near = dict(near or {})
        kinds = sorted(str(kind) for kind in log.vocabs[event].ids)
        for kind in self.near:
            if kind not in kinds:
                raise ConfigError(
                    f"near={kind!r} is no kind of event in the log{did_you_mean(kind, kinds)}; "
                    f"kinds: {', '.join(kinds)}"
                )
        self.sizes = (len(log.users), len(log.items))
        batch = log.batch()
        rows = {kind: batch[event] == int(log.vocabs[event].encode([kind])[0]) for kind in kinds}
        self.histories = {kind: History.of(batch.take(chosen), *self.sizes) for kind, chosen in rows.items()}
        self._counts = {kind: _Counts.of(history, self.sizes[1]) for kind, history in self.histories.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns it makes."""
        names = []
        for kind in self.histories:
            names += [f"pair_{kind}", f"user_{kind}", f"item_{kind}"]
            names += [f"near_{kind}", f"nearest_{kind}"] if kind in self.near else []
        return tuple(names)

    def columns(self, users: Int[Tensor, " pairs"], items: Int[Tensor, " pairs"]) -> dict[str, Float[Tensor, " pairs"]]:
        """The features of pairs.

        Args:
            users: User rows.
            items: Item rows.

        Returns:
            One number a pair, by column.
        """
        found: dict[str, Tensor] = {}
        for kind, counts in self._counts.items():
            found[f"pair_{kind}"] = _among(users * self.sizes[1] + items, counts.pairs)
            found[f"user_{kind}"] = counts.users[users]
            found[f"item_{kind}"] = counts.items[items]
            if kind in self.near:
                parts = [self._alike(kind, *part) for part in zip(users.split(PAIRS), items.split(PAIRS), strict=True)]
                found[f"near_{kind}"], found[f"nearest_{kind}"] = torch.cat(parts, 1)
        return found

    def add(self, log: EventLog) -> EventLog:
        """The same rows with the features as context.

        Args:
            log: Rows of the same users and items, none of which was counted.

        Returns:
            A log whose schema declares the columns as numeric context features.

        Raises:
            ConfigError: If the log has a column of such a name already.
        """
        taken = [name for name in self.names if name in log.columns]
        if taken:
            raise ConfigError(f"the log has a column {taken[0]!r} of its own; drop it, or give it another name")
        batch = log.batch()
        context = {**log.schema.context_features, **{name: Numeric() for name in self.names}}
        columns = {**log.columns, **self.columns(batch.users, batch.items)}
        return replace(log, schema=replace(log.schema, context_features=context), columns=columns)

    def _alike(self, kind: str, users: Tensor, items: Tensor) -> Float[Tensor, "2 pairs"]:
        """Sum and largest of the similarities to the user's items of a kind."""
        which, own = self.histories[kind].of_users(users)
        similarity = self.near[kind].similarity(items[which], own)
        total = torch.zeros(len(users)).index_add(0, which, similarity)
        return torch.stack([total, torch.zeros(len(users)).scatter_reduce(0, which, similarity, "amax")])


class _Counts(NamedTuple):
    """What a history says of pairs, ready to be looked up."""

    pairs: Int[Tensor, " pairs"]  # `user * items + item`, ascending
    users: Float[Tensor, " users"]
    items: Float[Tensor, " items"]

    @classmethod
    def of(cls, history: History, items: int) -> Self:
        lengths = history.starts.diff()
        pairs = torch.repeat_interleave(lengths) * items + history.items
        return cls(pairs, lengths.float().log1p(), torch.bincount(history.items, minlength=items).float().log1p())


def _among(keys: Tensor, pairs: Tensor) -> Tensor:
    """1 for each key that is one of the sorted pairs."""
    if not len(pairs):
        return torch.zeros(len(keys))
    return (pairs[torch.searchsorted(pairs, keys).clamp(max=len(pairs) - 1)] == keys).float()
