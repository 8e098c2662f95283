"""Service: the state behind all routes: models, events, tokens, limits and metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from pydantic_core import to_json

from motet.serve.batcher import Batcher
from motet.serve.bodies import EventsBody, ModelsBody, RecommendBody, ScoreBody
from motet.serve.events.event import Event
from motet.serve.events.store import EventStore, StoreError
from motet.serve.gate import Gate, come_again
from motet.serve.metrics import Metrics
from motet.serve.models.served import ServedModel
from motet.serve.models.stored import Stored
from motet.serve.problem import Problem
from motet.serve.rollout.deployment import Deployment
from motet.serve.rollout.lineup import Lineup
from motet.serve.rollout.plan import Wanted
from motet.serve.rollout.shadow import Shadow
from motet.serve.tokens import Tokens

Found = TypeVar("Found")


class Service:
    """The state that the routes share, and one method for each.

    Args:
        lineup: The models that answer requests.
        deployment: Loads other models and changes the lineup; without one, the lineup stays as given.
        store: Stores events; without one, requests to store events are refused.
        tokens: The tokens that requests need; without them, requests need none.
        gate: Limits concurrent work.
        now: Clock, in seconds since 1970; replaced in tests.
    """

    def __init__(
        self,
        lineup: Lineup,
        *,
        deployment: Deployment | None = None,
        store: EventStore | None = None,
        tokens: Tokens | None = None,
        gate: Gate | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.deployment = deployment
        self.store = store
        self.tokens = tokens
        self.gate = gate or Gate()
        self.now = now
        self.metrics = Metrics()
        self.shadow = Shadow(self.gate, self.metrics)
        self.batcher = Batcher(self.gate, self._recommend_each)
        self.show(lineup)

    @property
    def model(self) -> ServedModel:
        """The model for requests that are not about a user."""
        return self.lineup.main

    def show(self, lineup: Lineup) -> None:
        """Replace the models. Requests in progress finish with the models they started with.

        Args:
            lineup: The models.
        """
        self.lineup = lineup
        labels = ((model.name, model.version) for model in lineup.models.values())
        self.metrics.show(lineup.plan.generation, labels)

    def close(self) -> None:
        """Finish the work in progress and refuse new work."""
        if self.deployment is not None:
            self.deployment.close()
        self.gate.close()
        self.shadow.close()

    def recommend(self, asked: RecommendBody) -> dict[str, Any]:
        """Answer `POST /v1/recommend`.

        Args:
            asked: The body.

        Returns:
            The answer, ready for JSON; `events` says whether stored events were used.
        """
        lineup = self.lineup
        parts = lineup.divided(asked.asking, asked.model)
        stored, considered = self._stored(asked.asking)
        answers = [model.recommend(_of(asked, places), stored) for model, places in parts]
        answer = answers[0] if len(parts) == 1 else _joined(answers, [places for _, places in parts])
        for model, places in parts:
            self.metrics.users.labels(model.name, model.version).inc(len(places))
        if lineup.shadows and asked.model is None:
            self.shadow.offer(lineup.shadows, asked, stored, answer)
        return {**answer, "events": considered}

    def kind(self, asked: RecommendBody) -> Hashable:
        """Key by which `recommend` requests are batched.

        Args:
            asked: The body.

        Returns:
            A key that is equal for requests of the same model that differ only in their single user; None if the
            request cannot be batched.
        """
        if asked.user is None or asked.features:
            return None
        ((model, _),) = self.lineup.divided([asked.user], asked.model)
        return model.name, asked.model_dump_json(exclude={"user"})

    def score(self, asked: ScoreBody) -> dict[str, Any]:
        """Answer `POST /v1/score`.

        Args:
            asked: The body.

        Returns:
            What JSON can hold.
        """
        ((model, _),) = self.lineup.divided([asked.user], asked.model)
        stored, considered = self._stored([asked.user])
        return {**model.score(asked, stored), "events": considered}

    def add(self, told: EventsBody) -> dict[str, int]:
        """Answer `POST /v1/events` after the events are written to disk.

        Args:
            told: The body.

        Returns:
            Numbers of accepted and of duplicate events.

        Raises:
            Problem: If the events could not be stored; then none of them is.
        """
        now = self.now()
        events = [
            Event(body.id, str(body.user), str(body.item), body.seconds(now), body.event, body.value)
            for body in told.events
        ]
        try:
            added = self._opened().add(events)
        except StoreError as error:
            self.metrics.events.labels("refused").inc(len(events))
            message = "the event store does not answer, and the events were not stored; send them again"
            raise come_again("event_store_down", message) from error
        self.metrics.events.labels("accepted").inc(added.accepted)
        self.metrics.events.labels("duplicate").inc(added.duplicates)
        return {"accepted": added.accepted, "duplicates": added.duplicates}

    def history(self, user: str, limit: int) -> dict[str, Any]:
        """Answer `GET /v1/users/{id}/history`.

        Args:
            user: The user's id.
            limit: Largest number of events.

        Returns:
            What JSON can hold; `events` says whether stored events are among the items.
        """
        none: list[Event] = []
        stored, considered = self._read(lambda store: store.of_user(user, limit), none)
        return {**self.model.catalogue.history(user, stored, limit), "events": considered}

    def change(self, asked: ModelsBody) -> dict[str, Any]:
        """Answer `POST /v1/models` after the models are in use.

        Args:
            asked: The body.

        Returns:
            What JSON can hold.
        """
        wanted = [Wanted(model.name, model.share, model.role) for model in asked.models]
        return self._deploying().change(wanted).describe()

    def roll_back(self) -> dict[str, Any]:
        """Answer `POST /v1/models/rollback` after the models are in use.

        Returns:
            What JSON can hold.
        """
        return self._deploying().roll_back().describe()

    def ready(self) -> dict[str, str]:
        """Answer `GET /readyz`.

        Returns:
            `status` is `degraded` while the event store is down; recommendations are still served.
        """
        if self.store is None:
            return {"status": "ready", "events": "none", "model": self.model.version}
        try:
            self.store.ping()
        except StoreError:
            return {"status": "degraded", "events": "down", "model": self.model.version}
        return {"status": "ready", "events": "up", "model": self.model.version}

    def _recommend_each(self, asked: Sequence[RecommendBody]) -> list[bytes]:
        """Answer requests of the same kind, as JSON."""
        if len(asked) == 1:
            return [to_json(self.recommend(asked[0]))]
        users = [one.user for one in asked]
        whole = self.recommend(asked[0].model_copy(update={"user": None, "users": users}))
        return [to_json({**whole, "model": line["model"], "results": [line]}) for line in whole["results"]]

    def _stored(self, users: Sequence[str | int]) -> tuple[Stored, bool]:
        """Items since training, and whether they could be read."""
        none: Stored = {}
        return self._read(lambda store: store.had_by([str(user) for user in users]), none)

    def _read(self, read: Callable[[EventStore], Found], nothing: Found) -> tuple[Found, bool]:
        """What is stored; nothing while the database is down, because an older answer is better than an error."""
        if self.store is None:
            return nothing, False
        try:
            return read(self.store), True
        except StoreError:
            self.metrics.without_events.inc()
            return nothing, False

    def _opened(self) -> EventStore:
        if self.store is None:
            raise Problem(503, "this service stores no events; start it with --events", code="no_event_store")
        return self.store

    def _deploying(self) -> Deployment:
        if self.deployment is None:
            raise Problem(503, "this service cannot change its model; start it with motet serve", code="fixed")
        return self.deployment


def _of(asked: RecommendBody, places: Sequence[int]) -> RecommendBody:
    """The request for some of its users."""
    users = asked.asking
    return asked if len(places) == len(users) else asked.model_copy(update={"users": [users[p] for p in places]})


def _joined(answers: Sequence[dict[str, Any]], places: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The answers of several models, in the order of the users in the request."""
    lines = [line for answer in answers for line in answer["results"]]
    order = [place for part in places for place in part]
    results = [line for _, line in sorted(zip(order, lines, strict=True), key=lambda pair: pair[0])]
    ignored = {
        field: list(dict.fromkeys(id for answer in answers for id in answer["ignored"][field]))
        for field in answers[0]["ignored"]
    }
    return {"model": results[0]["model"], "results": results, "ignored": ignored}
