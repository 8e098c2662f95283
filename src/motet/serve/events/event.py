"""Event: something a user did, as a service is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Event:
    """What a user did with an item.

    Ids are text here, whatever they are in the model: a store outlives models.

    Attributes:
        id: The caller's name of the event: an event whose id is stored already is not stored again.
        user: The user's id.
        item: The item's id.
        time: Seconds since 1970.
        event: The kind, such as `"watch"`.
        value: How much: stars, a price, a duration.
    """

    id: str
    user: str
    item: str
    time: float
    event: str | None = None
    value: float | None = None


class Had(NamedTuple):
    """An item that a user had, in one way: as an `Event` says it.

    Attributes:
        item: The item's id.
        event: The kind.
        value: How much.
    """

    item: str
    event: str | None = None
    value: float | None = None


@dataclass(frozen=True)
class Added:
    """What became of events that were given to a store.

    Attributes:
        accepted: How many are stored now and were not before.
        duplicates: How many were stored before, or came twice.
    """

    accepted: int
    duplicates: int
