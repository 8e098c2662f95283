"""masked_pairs: training rows for a re-ranker, made from the log itself by masking purchases.

For each user, one purchase is masked. The items that the user viewed before are the candidates, and the label says
which of them is the masked purchase. The features of the candidates are counted as if the purchase had not happened, as
they will be when the model serves the user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Self

import polars as pl
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from motet.arguments import checked
from motet.data.batch import distinct
from motet.data.log import EventLog
from motet.data.neighbours import Neighbours
from motet.data.pair_features import PairFeatures
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError, did_you_mean

Near = Callable[[EventLog], Mapping[str, Neighbours]]


@checked
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
    """Mask one purchase of each user, and label the items that the user viewed or carted before.

    A row is a user and a candidate: an item with an earlier event of the candidate types that the user has not bought
    yet. The label is 1 for the masked purchase and 0 for every other candidate. Users whose masked item is not a
    candidate have no 1, and users without a purchase have no rows. The context columns are `PairFeatures`:

    - if the log has no time, they count the log without the masked purchases of all users;
    - if it has, they count the events before the masked purchase, whose time is the time of the row.

    If a user bought an item several times, all of these purchases are masked, and the first gives the time. A row has
    the recent items of the masked purchase if the log has a column of recent items. Train on the rows with
    `Mix([log, pairs])` and a `WithContext` task, and serve the model with `PairFeatures(log)` of the whole log.

    Args:
        log: The training log; its schema names the column of event types.
        event: The event type to mask, such as `"purchase"`.
        label: Name of the label column.
        candidates: The event types that make an item a candidate; by default all others.
        rounds: How many times one random purchase of each user is masked. More rounds give more positives.
        seed: The same seed gives the same rows.
        near: Computes the neighbours for `PairFeatures` from the log without the masked purchases, so that these do not
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
    bought_code, candidate_codes = _codes(log, event, candidates)
    if label in log.columns:
        raise ConfigError(f"label={label!r}: the log already has a column of that name; give the label another one")
    if rounds < 1:
        raise ConfigError(f"rounds={rounds}; mask a purchase of each user at least once")
    batch, kinds = log.batch(), log.columns[str(log.schema.event)]
    keys = batch.users * len(log.items) + batch.items
    is_bought, is_candidate = kinds == bought_code, torch.isin(kinds, candidate_codes)
    # Without times, every candidate event precedes every purchase.
    times = is_bought.double() if log.schema.time is None else batch[log.schema.time].double()
    known = (batch.users > 0) & (batch.items > 0)
    bought = _FirstEvents.of(keys, times, known & is_bought)
    viewed = _FirstEvents.of(keys, times, known & is_candidate)
    if not len(bought.rows):
        raise DataError(f"no known user has an event {event!r} with a known item, so there is none to mask")
    parts = []
    for turn in range(rounds):
        masked = _drawn(log, bought, seed * rounds + turn)
        pairs = _labelled(log, viewed, bought, masked, label)
        if len(pairs):
            hidden = torch.isin(keys, bought.keys[masked[masked >= 0]]) & is_bought
            parts.append(_features(log, log.take(~hidden), near).add(pairs))
    if not parts:
        raise DataError(
            f"no user has a candidate for the masked {event!r}: an item that was touched, and not bought, before it; "
            f"name other event types with candidates=[...]; now {', '.join(_names(log, candidate_codes))}"
        )
    columns = {name: torch.cat([part.columns[name] for part in parts]) for name in parts[0].columns}
    return replace(parts[0], columns=columns)


class _FirstEvents(NamedTuple):
    """The first event of each user-item pair among some rows of the log, in the order of times."""

    rows: Int[Tensor, " pairs"]  # the row of the event in the log
    keys: Int[Tensor, " pairs"]  # `user * items + item`
    times: Float[Tensor, " pairs"]

    @classmethod
    def of(cls, keys: Int[Tensor, " rows"], times: Float[Tensor, " rows"], chosen: Bool[Tensor, " rows"]) -> Self:
        rows = chosen.nonzero()[:, 0]
        rows = rows[times[rows].argsort(stable=True)]
        rows = rows[distinct(keys[rows]).first.sort().values]
        return cls(rows, keys[rows], times[rows])

    def times_of(self, keys: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """The time of each pair; infinity for a pair without an event."""
        ordered, order = self.keys.sort()
        at = torch.searchsorted(ordered, keys).clamp(max=len(ordered) - 1)
        return self.times[order][at].where(ordered[at] == keys, torch.inf)


def _codes(log: EventLog, event: str, candidates: Sequence[str] | None) -> tuple[int, Int[Tensor, " candidates"]]:
    """The code of the masked event type, and those of the candidate types."""
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


def _names(log: EventLog, codes: Int[Tensor, " n"]) -> list[str]:
    return [str(kind) for kind in log.vocabs[str(log.schema.event)].decode(codes)]


def _drawn(log: EventLog, bought: _FirstEvents, seed: int) -> Int[Tensor, " users"]:
    """A random purchase of each user, as its position in `bought` by user row; -1 for a user without a purchase."""
    shuffled = pl.int_range(len(bought.rows), eager=True).sample(fraction=1.0, shuffle=True, seed=seed % 2**63)
    order = shuffled.to_torch()
    users = log.batch().users[bought.rows[order]]
    first = distinct(users).first
    return torch.full((len(log.users),), -1).scatter_(0, users[first], order[first])


def _labelled(
    log: EventLog, viewed: _FirstEvents, bought: _FirstEvents, masked: Int[Tensor, " users"], label: str
) -> EventLog:
    """The rows of one round without features: the candidates of each user with a masked purchase, and their labels."""
    batch = log.batch()
    purchase = masked[batch.users[viewed.rows]]  # of the candidate's user; -1 reads the last one below, and is dropped
    is_masked = viewed.keys == bought.keys[purchase]
    moment = bought.times[purchase]
    not_bought_yet = bought.times_of(viewed.keys) > moment
    kept = (purchase >= 0) & (viewed.times < moment) & (is_masked | not_bought_yet)
    rows, events = viewed.rows[kept], bought.rows[purchase[kept]]
    columns = {batch.user_key: batch.users[rows], batch.item_key: batch.items[rows], label: is_masked[kept].float()}
    if log.schema.time is not None:
        columns[log.schema.time] = batch[log.schema.time][events]
    recents = {name: how for name, how in log.recents.items() if name in batch}
    for name in recents:  # the recent items of the masked purchase; the row itself is no event
        columns |= {each: batch[each][events] for each in (name, f"{name}_events")}
        columns[f"{name}_counts"] = torch.zeros(len(events), dtype=torch.bool)
    schema = Schema(batch.user_key, batch.item_key, time=log.schema.time, signals=(label,))
    return replace(log, schema=schema, columns=columns, vocabs={}, together=1, recents=recents)


def _features(log: EventLog, known: EventLog, near: Near | None) -> PairFeatures:
    """The features of one round; with times, the masked purchases of other users count where they came before."""
    return PairFeatures(known if log.schema.time is None else log, near=None if near is None else near(known))
