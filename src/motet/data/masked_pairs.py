"""masked_pairs: labelled pairs made from the log itself; which of the items that a user touched is the masked one?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Self

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.data.batch import distinct
from motet.data.log import EventLog
from motet.data.neighbours import Neighbours
from motet.data.pair_features import PairFeatures
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError, did_you_mean

Near = Callable[[EventLog], Mapping[str, Neighbours]]


def masked_pairs(
    log: EventLog,
    event: str,
    *,
    label: str,
    candidates: Sequence[str] | None = None,
    rounds: int = 1,
    seed: int = 0,
    near: Near | None = None,
) -> EventLog:
    """Mask one purchase of each user, and ask which of the items that the user viewed or carted it was.

    A pair is a user and an item that the user touched by an event of the candidate types and has not bought yet. Its
    label is 1 for the masked purchase and 0 for all others; a user who never touched the masked item has no 1, and a
    user without a purchase has no pairs. Its context are `PairFeatures`, counted as if the purchase had not happened:

    - if the log has no time, on the log without the masked purchases of all users;
    - if it has, on the events before the masked purchase, which is the time of the pair. Only items that were touched
      before it are pairs.

    An item that a user bought several times is masked as a whole: what counts is the first time. A pair has the recent
    items of the masked purchase, if the log has such a column. Train on the pairs with `Mix([log, pairs])` and a
    `WithContext` task, and serve the model with `PairFeatures(log)` of the whole log.

    Args:
        log: The training log; its schema names the column of event types.
        event: The event type that is masked, such as `"purchase"`.
        label: Name of the label column.
        candidates: The event types that make an item a candidate; by default all others.
        rounds: How often to mask one purchase of each user, at random each time. More rounds give more positives.
        seed: The same seed gives the same pairs.
        near: Finds the neighbours for `PairFeatures` in the log without the masked purchases, so that they do not
            count in the similarities either: `lambda known: {"purchase": Neighbours.of(known)}`.

    Returns:
        A log with the same users and items, one row per pair: the label, and the features as context.

    Raises:
        ConfigError: If the schema names no event column, an event type is not in the log, `candidates` is empty or
            contains the masked type, the log has a column of the label's name, or `rounds` is below 1.
        DataError: If no user has an event of the masked type, or no user who has one has a candidate.

    Example:
        >>> rows = [(1, "cup", "view"), (1, "pan", "view"), (1, "pan", "buy"), (2, "pan", "view")]
        >>> events = pl.DataFrame(rows, ["user_id", "item_id", "event"], orient="row")
        >>> log = EventLog.read(events, Schema(event="event"))
        >>> pairs = masked_pairs(log, "buy", label="bought")
        >>> pairs.frame().select("user_id", "item_id", "bought", "pair_view", "pair_buy").rows()
        [(1, 'cup', 0.0, 1.0, 0.0), (1, 'pan', 1.0, 1.0, 0.0)]
    """
    masked, touching = _codes(log, event, candidates)
    if label in log.columns:
        raise ConfigError(f"label={label!r}: the log already has a column of that name; give the label another one")
    if rounds < 1:
        raise ConfigError(f"rounds={rounds}; mask a purchase of each user at least once")
    batch, kinds = log.batch(), log.columns[str(log.schema.event)]
    keys = batch.users * len(log.items) + batch.items
    # Without times, whatever was touched was touched before everything that was bought.
    times = (kinds == masked).double() if log.schema.time is None else batch[log.schema.time].double()
    known = (batch.users > 0) & (batch.items > 0)
    bought = _Pairs.of(keys, times, known & (kinds == masked))
    touched = _Pairs.of(keys, times, known & torch.isin(kinds, touching))
    if not len(bought.rows):
        raise DataError(f"no known user has an event {event!r} with a known item, so there is none to mask")
    parts, sold = [], bought.times_of(touched.keys)
    for turn in range(rounds):
        own = _drawn(log, bought, seed * rounds + turn)
        pairs = _pairs(log, touched, sold, bought, own, label)
        if len(pairs):
            hidden = torch.isin(keys, bought.keys[own[own >= 0]]) & (kinds == masked)
            parts.append(_counted(log, log.take(~hidden), near).add(pairs))
    if not parts:
        raise DataError(
            f"no user has a candidate for the masked {event!r}: an item that was touched, and not bought, before it; "
            f"name other event types with candidates=[...]; now {', '.join(_named(log, touching))}"
        )
    columns = {name: torch.cat([part.columns[name] for part in parts]) for name in parts[0].columns}
    return replace(parts[0], columns=columns)


class _Pairs(NamedTuple):
    """The distinct pairs in some rows, each at its first time, in the order of these times."""

    rows: Int[Tensor, " pairs"]  # of the log
    keys: Int[Tensor, " pairs"]  # `user * items + item`
    times: Float[Tensor, " pairs"]

    @classmethod
    def of(cls, keys: Int[Tensor, " rows"], times: Float[Tensor, " rows"], chosen: Bool[Tensor, " rows"]) -> Self:
        rows = chosen.nonzero()[:, 0]
        rows = rows[times[rows].argsort(stable=True)]
        rows = rows[distinct(keys[rows]).first.sort().values]
        return cls(rows, keys[rows], times[rows])

    def times_of(self, keys: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The time of each key; infinity for a key that is not here."""
        ordered, order = self.keys.sort()
        at = torch.searchsorted(ordered, keys).clamp(max=len(ordered) - 1)
        return self.times[order][at].where(ordered[at] == keys, torch.inf)


def _codes(log: EventLog, event: str, candidates: Sequence[str] | None) -> tuple[int, Int[Tensor, " candidates"]]:
    """The code of the masked event type, and those of the candidates'."""
    if log.schema.event is None:
        raise ConfigError("masked_pairs masks events of one type: name the column of event types, Schema(event=...)")
    codes = {str(kind): code for code, kind in enumerate(log.vocabs[log.schema.event].ids, start=1)}
    touching = [kind for kind in codes if kind != event] if candidates is None else list(candidates)
    _check_types(codes, event=[event], candidates=touching)
    if event in touching:
        raise ConfigError(f"candidates names {event!r}, which is masked; a candidate has not been bought yet")
    if not touching:
        raise ConfigError(
            f"there is no event type but {event!r}; candidates come from events of another, such as views"
            if candidates is None
            else "candidates=[] names no event type; name at least one, or leave it out for all others"
        )
    return codes[event], torch.tensor([codes[kind] for kind in touching])


def _check_types(known: Iterable[str], **given: Sequence[str]) -> None:
    for name, kinds in given.items():
        for kind in kinds:
            if kind not in known:
                raise ConfigError(
                    f"{name} names {kind!r}, which is not an event type in the log{did_you_mean(kind, known)} "
                    f"Types: {', '.join(sorted(known))}."
                )


def _named(log: EventLog, codes: Int[Tensor, " n"]) -> list[str]:
    return [str(kind) for kind in log.vocabs[str(log.schema.event)].decode(codes)]


def _drawn(log: EventLog, bought: _Pairs, seed: int) -> Int[Tensor, " users"]:
    """One pair of each user: its position by user row, -1 without any."""
    drawn = pl.int_range(len(bought.rows), eager=True).sample(fraction=1.0, shuffle=True, seed=seed % 2**63)
    order = drawn.to_torch()
    users = log.batch().users[bought.rows[order]]
    first = distinct(users).first
    return torch.full((len(log.users),), -1).scatter_(0, users[first], order[first])


def _pairs(
    log: EventLog,
    touched: _Pairs,
    sold: Float[Tensor, " pairs"],
    bought: _Pairs,
    own: Int[Tensor, " users"],
    label: str,
) -> EventLog:
    """The pairs of one round, without features; `sold` is when each touched pair was bought."""
    batch = log.batch()
    masked = own[batch.users[touched.rows]]  # -1 reads the last pair below, and is left out
    mine = touched.keys == bought.keys[masked]
    moment = bought.times[masked]
    kept = (masked >= 0) & (touched.times < moment) & (mine | (sold > moment))
    rows = touched.rows[kept]
    columns = {batch.user_key: batch.users[rows], batch.item_key: batch.items[rows], label: mine[kept].float()}
    at = bought.rows[masked[kept]]
    if log.schema.time is not None:
        columns[log.schema.time] = batch[log.schema.time][at]
    recents = {name: how for name, how in log.recents.items() if name in batch}
    for name in recents:  # what the user had before the masked event; the pair itself is no event
        columns |= {each: batch[each][at] for each in (name, f"{name}_events")}
        columns[f"{name}_counts"] = torch.zeros(len(at), dtype=torch.bool)
    schema = Schema(batch.user_key, batch.item_key, time=log.schema.time, signals=(label,))
    return replace(log, schema=schema, columns=columns, vocabs={}, together=1, recents=recents)


def _counted(log: EventLog, known: EventLog, near: Near | None) -> PairFeatures:
    """What the features are counted on; with times, other users' masked purchases count where they came before."""
    return PairFeatures(known if log.schema.time is None else log, near=None if near is None else near(known))
