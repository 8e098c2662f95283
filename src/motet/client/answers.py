"""What a service answers: the one description that `motet serve` publishes as OpenAPI and `motet.Client` reads."""

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
    """An example of an answer, for its description.

    Args:
        example: What JSON can hold.

    Returns:
        The configuration of a class of answers.
    """
    return ConfigDict(json_schema_extra={"examples": [example]})


class Answer(BaseModel):
    """Anything a service answers; what a newer service says beside it is passed over."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Label(Answer):
    """The model that answered."""

    name: str
    version: str
    """Changes whenever the model does."""


class Reason(Answer):
    """An item of the user's history that lies near a recommended one."""

    id: Id
    similarity: float
    """Cosine of the two vectors, at most 1."""


class Recommended(Answer):
    """One recommended item."""

    id: Id
    score: float | None
    """What the list is ordered by: the task scores, fused."""
    tasks: Tasks
    """What each task expects, in its own unit: stars, a probability."""
    reasons: list[Reason] = []
    """The nearest items of the history, where they were asked for."""


class Recommendation(Answer):
    """What one user is recommended."""

    user: Id
    model: Label
    """The model that answered this user: several may share the users among them."""
    known: bool
    """Whether the model was trained on this user."""
    basis: Literal["known", "history", "features", "popularity"]
    """What the answer stands on: training, items or features told since, or nothing of the user."""
    items: list[Recommended]
    """The best first."""


class Ignored(Answer):
    """Ids of the question that the model does not know."""

    exclude: list[Id]
    only: list[Id]
    history: list[Id]


class Recommendations(Answer):
    """Answer to `POST /v1/recommend`."""

    model: Label
    results: list[Recommendation]
    """One for each user, in the order they were asked for."""
    ignored: Ignored
    events: bool
    """Whether events since training were considered: not while their database is down."""

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
        """The items of the only user.

        Raises:
            ConfigError: If several users were asked for.
        """
        if len(self.results) != 1:
            raise ConfigError(f"this answer is about {len(self.results)} users; read the items of each of its results")
        return self.results[0].items


class Scored(Answer):
    """What every task expects of one item."""

    id: Id
    tasks: Tasks


class Scores(Answer):
    """Answer to `POST /v1/score`."""

    model: Label
    user: Id
    known: bool
    """Whether the model was trained on this user."""
    items: list[Scored]
    """In the order they were asked for."""
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
    """A near item or user."""

    id: Id
    score: float | None
    """Cosine of the two vectors, at most 1."""


class Neighbours(Answer):
    """Answer to `POST /v1/similar`."""

    model: Label
    items: list[Neighbour]
    """The nearest first; users where a user was asked about."""

    model_config = shown({"model": FILMS, "items": [{"id": "Brazil", "score": 0.83}]})


class Added(Answer):
    """Answer to `POST /v1/events`: they are on the disk."""

    accepted: int
    """How many were stored now."""
    duplicates: int
    """How many were stored before, by their ids."""

    model_config = shown({"accepted": 1, "duplicates": 0})


class Item(Answer):
    """An item with the columns of its table, each an attribute of that name."""

    id: Id

    model_config = ConfigDict(extra="allow")


class Items(Answer):
    """Answer to `GET /v1/items`."""

    items: list[Item]
    total: int
    """How many match, on all pages."""

    model_config = shown({"items": [{"id": "Alien", "genre": "horror"}], "total": 1})


class User(Answer):
    """A user of the training log."""

    id: Id
    events: int
    """How many rows of the training log are theirs."""


class Users(Answer):
    """Answer to `GET /v1/users`."""

    users: list[User]
    total: int
    """How many match, on all pages."""

    model_config = shown({"users": [{"id": 1, "events": 2}], "total": 1})


class Did(Answer):
    """Something a user did."""

    id: Id
    """Of the item."""
    event: str | None
    """The kind."""
    value: float | int | bool | str | None
    """How much."""
    time: float | int | str | None
    """Seconds since 1970, or what the training log has."""


class History(Answer):
    """Answer to `GET /v1/users/{user}/history`."""

    user: Id
    known: bool
    """Whether the model was trained on this user."""
    items: list[Did]
    """In the training log and since, the newest first."""

    model_config = shown(
        {"user": "1", "known": True, "items": [{"id": "Alien", "event": "watch", "value": 4.0, "time": 1764091620.0}]}
    )


class Point(Answer):
    """An item on the map."""

    id: Id
    x: float
    y: float
    count: float
    """Events of the training log."""


class Map(Answer):
    """Answer to `GET /v1/map`."""

    items: list[Point]
    """Those with the most events first."""

    model_config = shown({"items": [{"id": "Alien", "x": 0.4, "y": -0.1, "count": 1}]})


class Task(Answer):
    """A task of a model."""

    name: str
    unit: str
    """What its scores are: `probability`, `relevance`, or the label that it predicts, such as `stars`."""
    range: list[float] | None
    """The lowest and the highest there are, or that training has seen; null where there are none."""
    weight: float
    """What it counts for in lists, unless asked otherwise."""


class Served(Label):
    """One of the models of a service."""

    share: float
    """Of the users."""
    role: Literal["live", "shadow"]
    """A shadow answers nobody; what it would have answered is measured."""


class Lineup(Answer):
    """Answer to `POST /v1/models`: all models of the service."""

    generation: int
    """Counts the changes of what is served."""
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
    """What its artifact says of it."""
    generation: int
    """Counts the changes of what is served."""
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
            "generation": 1,
            "models": [{**FILMS, "share": 1.0, "role": "live"}],
        }
    )


class Readiness(Answer):
    """Answer to `GET /readyz`."""

    status: Literal["ready", "degraded"]
    """Degraded while events cannot be reached; recommendations are served all the same."""
    events: Literal["up", "down", "none"]
    model: str
    """Version of the model."""

    model_config = shown({"status": "ready", "events": "up", "model": FILMS["version"]})


class Health(Answer):
    """Answer to `GET /healthz`."""

    status: Literal["ok"]


class Problem(Answer):
    """What a service refuses, and why."""

    code: str
    """For programs, such as `not_found`, `invalid`, `busy`."""
    message: str
    """Names the thing, the value, the rule and the fix."""
    field: str | None
    """Of the body or the query."""


class Refusal(Answer):
    """Every answer that is no success."""

    error: Problem
