"""Answers of a service: the classes that `motet serve` publishes as OpenAPI and `motet.Client` parses."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from motet.errors import ConfigError

Id = str | int
Tasks = dict[str, float | None]
CLUE: dict[str, Any] = {
    "id": "Clue",
    "score": 0.71,
    "tasks": {"retrieval": 3.2, "stars": 4.4},
    "reasons": [{"id": "Brazil", "similarity": 0.83}],
}
FILMS = {"name": "films", "version": "1f0c8a3be9d2"}


def shown(example: dict[str, Any]) -> ConfigDict:
    """Attach an example to a class of answers, for the OpenAPI description.

    Args:
        example: JSON of one answer.

    Returns:
        Configuration of the class.
    """
    return ConfigDict(json_schema_extra={"examples": [example]})


class Answer(BaseModel):
    """Base of all answers; fields that a newer service adds are ignored."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Label(Answer):
    """Name and version of the model that answered."""

    name: str
    version: str
    """Changes whenever the model does."""


class Reason(Answer):
    """An item of the user's history that is near a recommended one."""

    id: Id
    similarity: float
    """Cosine of the two vectors, at most 1."""


class Recommended(Answer):
    """One recommended item."""

    id: Id
    score: float | None
    """The fused task scores, by which the list is ordered."""
    tasks: Tasks
    """Each task's score, in its own unit: stars, a probability."""
    reasons: list[Reason] = []
    """The nearest items of the history; empty unless asked for."""


class Recommendation(Answer):
    """Recommendations for one user."""

    user: Id
    model: Label
    """The model that answered for this user; a service may divide its users among several."""
    known: bool
    """Whether the model was trained on this user."""
    basis: Literal["known", "history", "features", "popularity"]
    """What the answer is based on: training events, events or items since, features, or overall popularity."""
    items: list[Recommended]
    """Best first."""


class Ignored(Answer):
    """Ids in the request that the model does not know."""

    exclude: list[Id]
    only: list[Id]
    history: list[Id]


class Recommendations(Answer):
    """Answer to `POST /v1/recommend`."""

    model: Label
    results: list[Recommendation]
    """One for each user, in the order of the request."""
    ignored: Ignored
    events: bool
    """Whether events since training were considered; false while their database is down."""

    model_config = shown(
        {
            "model": FILMS,
            "results": [{"user": 1, "model": FILMS, "known": True, "basis": "known", "items": [CLUE]}],
            "ignored": {"exclude": [], "only": [], "history": []},
            "events": True,
        }
    )

    @property
    def items(self) -> list[Recommended]:
        """The items, if the answer is about one user.

        Raises:
            ConfigError: If the answer is about several users.
        """
        if len(self.results) != 1:
            raise ConfigError(f"this answer is about {len(self.results)} users; read the items of each of its results")
        return self.results[0].items


class Scored(Answer):
    """Every task's score for one item."""

    id: Id
    tasks: Tasks


class Scores(Answer):
    """Answer to `POST /v1/score`."""

    model: Label
    user: Id
    known: bool
    """Whether the model was trained on this user."""
    items: list[Scored]
    """In the order of the request."""
    events: bool
    """Whether events since training were considered."""

    model_config = shown(
        {
            "model": FILMS,
            "user": 1,
            "known": True,
            "items": [{"id": "Clue", "tasks": {"retrieval": 3.2, "stars": 4.4}}],
            "events": True,
        }
    )


class Neighbour(Answer):
    """A neighbouring item or user."""

    id: Id
    score: float | None
    """Cosine of the two vectors, at most 1."""


class Neighbours(Answer):
    """Answer to `POST /v1/similar`."""

    model: Label
    items: list[Neighbour]
    """Nearest first; users if the request named a user."""

    model_config = shown({"model": FILMS, "items": [{"id": "Brazil", "score": 0.83}]})


class Added(Answer):
    """Answer to `POST /v1/events`: the events are on disk."""

    accepted: int
    """How many are new."""
    duplicates: int
    """How many had an id that was stored already."""

    model_config = shown({"accepted": 1, "duplicates": 0})


class Item(Answer):
    """An item with the columns of its table, each an attribute of that name."""

    id: Id

    model_config = ConfigDict(extra="allow")


class Items(Answer):
    """Answer to `GET /v1/items`."""

    items: list[Item]
    total: int
    """How many match in all."""

    model_config = shown({"items": [{"id": "Alien", "genre": "horror"}], "total": 1})


class User(Answer):
    """A user of the training log."""

    id: Id
    events: int
    """Number of their rows in the training log."""


class Users(Answer):
    """Answer to `GET /v1/users`."""

    users: list[User]
    total: int
    """How many match in all."""

    model_config = shown({"users": [{"id": 1, "events": 2}], "total": 1})


class Did(Answer):
    """Something a user did."""

    id: Id
    """Id of the item."""
    event: str | None
    """Kind of event, such as `watch`."""
    value: float | int | bool | str | None
    """Stars, a price, a duration."""
    time: float | int | str | None
    """Seconds since 1970, or the value in the training log."""


class History(Answer):
    """Answer to `GET /v1/users/{user}/history`."""

    user: Id
    known: bool
    """Whether the model was trained on this user."""
    items: list[Did]
    """Those since training, then those of the training log; of each the newest first."""
    events: bool
    """Whether events since training are among them; false while their database is down."""

    model_config = shown(
        {
            "user": "1",
            "known": True,
            "items": [{"id": "Alien", "event": "watch", "value": 4.0, "time": 1764091620.0}],
            "events": True,
        }
    )


class Point(Answer):
    """An item on the map."""

    id: Id
    x: float
    y: float
    count: float
    """Number of its rows in the training log."""


class Map(Answer):
    """Answer to `GET /v1/map`."""

    items: list[Point]
    """Items with the most events first."""

    model_config = shown({"items": [{"id": "Alien", "x": 0.4, "y": -0.1, "count": 1}]})


class Task(Answer):
    """A task of a model."""

    name: str
    unit: str
    """Unit of its scores: `probability`, `relevance`, or the label that it predicts, such as `stars`."""
    range: list[float] | None
    """Lowest and highest possible score, or label seen in training; null if unbounded."""
    weight: float
    """Its weight in the ranking, unless a request says otherwise."""


class Served(Label):
    """One of the models of a service."""

    share: float
    """Share of the users whom it answers."""
    role: Literal["live", "shadow"]
    """A shadow gets copies of requests; its answers are only measured."""


class Lineup(Answer):
    """Answer to `POST /v1/models`: all models of the service."""

    generation: int
    """Number of changes of what is served."""
    models: list[Served]

    model_config = shown({"generation": 2, "models": [{**FILMS, "share": 1.0, "role": "live"}]})


class ModelCard(Label):
    """Answer to `GET /v1/model`."""

    tasks: list[Task]
    preference: bool
    """Whether it was trained for every weighting of its tasks."""
    items: int
    users: int
    card: dict[str, Any]
    """The model card of its artifact."""
    report: bool
    """Whether it has a training report."""
    generation: int
    """Number of changes of what is served."""
    models: list[Served]
    """All models of the service."""

    model_config = shown(
        {
            **FILMS,
            "tasks": [
                {"name": "stars", "unit": "stars", "range": [1.0, 5.0], "weight": 1.0},
            ],
            "preference": False,
            "items": 4,
            "users": 3,
            "card": {},
            "report": False,
            "generation": 1,
            "models": [{**FILMS, "share": 1.0, "role": "live"}],
        }
    )


class Readiness(Answer):
    """Answer to `GET /readyz`."""

    status: Literal["ready", "degraded"]
    """Degraded while the event store cannot be reached; recommendations are still served."""
    events: Literal["up", "down", "none"]
    model: str
    """Version of the model."""

    model_config = shown({"status": "ready", "events": "up", "model": FILMS["version"]})


class Health(Answer):
    """Answer to `GET /healthz`."""

    status: Literal["ok"]


class Problem(Answer):
    """Why a request was refused."""

    code: str
    """For programs, such as `not_found`, `invalid`, `busy`."""
    message: str
    """Names the thing, the value, the rule and the fix."""
    field: str | None
    """The field of the body or the query that is to blame."""


class Refusal(Answer):
    """Every answer with an error status."""

    error: Problem
