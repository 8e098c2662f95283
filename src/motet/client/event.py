"""Event: something a user did, as a client reports it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from motet.client.answers import Id


@dataclass(frozen=True)
class Event:
    """What a user did with an item.

    Args:
        user: The user's id.
        item: The item's id.
        event: The kind, such as `"watch"`.
        value: How much: stars, a price, a duration.
        time: Seconds since 1970, or a datetime, taken as UTC if it has no time zone; if not given, the moment the
            service receives the event.
        id: Identifies the event: the service stores each id once, so that sending an event again changes nothing. A
            random UUID if not given.

    Example:
        >>> Event(3, "Alien", "watch", id="8f14e45f")
        Event(user=3, item='Alien', event='watch', value=None, time=None, id='8f14e45f')
    """

    user: Id
    item: Id
    event: str | None = None
    value: float | None = None
    time: float | datetime | None = None
    id: str = field(default_factory=lambda: str(uuid4()))

    def plain(self) -> dict[str, object]:
        """The event as JSON can hold it.

        Returns:
            The fields of `POST /v1/events`.
        """
        time = self.time.isoformat() if isinstance(self.time, datetime) else self.time
        return {**vars(self), "time": time}
