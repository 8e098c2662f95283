"""Event: something a user did, as a client tells it."""

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
        time: Seconds since 1970, or a moment, taken as UTC where it has no time zone; the moment the service is
            told if not given.
        id: Names the event: the service stores an id once, so that telling it again changes nothing. Drawn here, once,
            where not given.

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
            A field each, in the words of `POST /v1/events`.
        """
        time = self.time.isoformat() if isinstance(self.time, datetime) else self.time
        return {**vars(self), "time": time}
