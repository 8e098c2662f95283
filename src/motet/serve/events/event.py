"""Event: something a user did, as the event store keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Event:
    """What a user did with an item.

    Ids are text here, whatever their type in the model: a store outlives models.

    Attributes:
        id: Chosen by the caller; an event whose id is already stored is not stored again.
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
    """An item that a user had, with the kind and value of the event.

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
    """The result of storing events.

    Attributes:
        accepted: Number of events newly stored.
        duplicates: Number of events that were already stored, or came twice.
    """

    accepted: int
    duplicates: int
