"""Service: a model, the events since its training, and what guards them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from motet.serve.bodies import EventsBody, RecommendBody, ScoreBody
from motet.serve.event import Event
from motet.serve.gate import Gate
from motet.serve.metrics import Measured
from motet.serve.problem import Problem
from motet.serve.served import ServedModel, Stored
from motet.serve.store import EventStore, StoreError
from motet.serve.tokens import Tokens


class Service:
    """What the routes of a service share.

    Args:
        model: Answers.
        store: Where events live; without one the service knows of none and takes none.
        tokens: Who may ask; everybody where not given.
        gate: Bounds the work that is done at once.
        now: Seconds since 1970; a test has its own.
    """

    def __init__(
        self,
        model: ServedModel,
        *,
        store: EventStore | None = None,
        tokens: Tokens | None = None,
        gate: Gate | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.model = model
        self.store = store
        self.tokens = tokens
        self.gate = gate or Gate()
        self.now = now
        self.measured = Measured()
        self.measured.model.labels(**model.label).set(1)

    def named(self, name: str | None) -> ServedModel:
        """The model that a request is answered by.

        Args:
            name: As the request has it.

        Returns:
            The model.

        Raises:
            Problem: If none is called so.
        """
        if name is not None and name != self.model.name:
            raise Problem(404, f"no model {name!r} is served; models: {self.model.name}", field="model")
        return self.model

    def recommend(self, asked: RecommendBody) -> dict[str, Any]:
        """Answer `POST /v1/recommend`.

        Args:
            asked: The body.

        Returns:
            What JSON can hold; `events` says whether stored events were considered.
        """
        model = self.named(asked.model)
        stored, considered = self._stored(asked.asking)
        return {**model.recommend(asked, stored), "events": considered}

    def score(self, asked: ScoreBody) -> dict[str, Any]:
        """Answer `POST /v1/score`.

        Args:
            asked: The body.

        Returns:
            What JSON can hold.
        """
        model = self.named(asked.model)
        stored, considered = self._stored([asked.user])
        return {**model.score(asked, stored), "events": considered}

    def add(self, told: EventsBody) -> dict[str, int]:
        """Answer `POST /v1/events`, once the events are on the disk.

        Args:
            told: The body.

        Returns:
            How many were new.

        Raises:
            Problem: If they could not be stored; none was then.
        """
        now = self.now()
        events = [
            Event(body.id, str(body.user), str(body.item), body.seconds(now), body.event, body.value)
            for body in told.events
        ]
        try:
            added = self._opened().add(events)
        except StoreError as error:
            self.measured.events.labels("refused").inc(len(events))
            raise _down() from error
        self.measured.events.labels("accepted").inc(added.accepted)
        self.measured.events.labels("duplicate").inc(added.duplicates)
        return {"accepted": added.accepted, "duplicates": added.duplicates}

    def history(self, user: str, limit: int) -> dict[str, Any]:
        """Answer `GET /v1/users/{id}/history`.

        Args:
            user: The user's id.
            limit: At most so many events.

        Returns:
            What JSON can hold.
        """
        try:
            stored = self.store.of_user(user, limit) if self.store else []
        except StoreError:
            self.measured.without_events.inc()
            stored = []
        return self.model.catalogue.history(user, stored, limit)

    def ready(self) -> dict[str, str]:
        """Answer `GET /readyz`.

        Returns:
            `status` is `degraded` while the events cannot be reached; recommendations are served all the same.
        """
        if self.store is None:
            return {"status": "ready", "events": "none", "model": self.model.version}
        try:
            self.store.ping()
        except StoreError:
            return {"status": "degraded", "events": "down", "model": self.model.version}
        return {"status": "ready", "events": "up", "model": self.model.version}

    def _stored(self, users: Sequence[str | int]) -> tuple[Stored, bool]:
        """Items since training; nothing while the database is away, because an old answer is better than none."""
        if self.store is None:
            return {}, False
        try:
            return self.store.items_of([str(user) for user in users]), True
        except StoreError:
            self.measured.without_events.inc()
            return {}, False

    def _opened(self) -> EventStore:
        if self.store is None:
            raise Problem(503, "this service keeps no events; start it with --events", code="no_event_store")
        return self.store


def _down() -> Problem:
    message = "the event store does not answer, and the events were not stored; send them again"
    return Problem(503, message, code="event_store_down", headers={"Retry-After": "1"})
