"""What may be asked: the bodies of requests, each with an example, and their limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from motet.client.answers import shown

MOST_USERS = 100
MOST_K = 1_000
MOST_IDS = 10_000
MOST_EVENTS = 1_000
MOST_MODELS = 8
TEXT = r"^[^\x00]*$"  # PostgreSQL stores no NUL

Name = Annotated[StrictStr, Field(min_length=1, max_length=256, pattern=TEXT)]
Id = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | Name
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # neither true nor "1"
Ids = Annotated[list[Id], Field(max_length=MOST_IDS)]
Weights = Annotated[dict[Name, Number], Field(max_length=100)]
Value = StrictBool | StrictInt | Number | Annotated[StrictStr, Field(max_length=1_000)]


def _text(value: object) -> object:
    if not isinstance(value, str) or value.lstrip("+-").replace(".", "", 1).isdigit():
        raise ValueError("write a number, or a moment as in 2026-01-31T18:00:00Z")
    return value


Moment = Annotated[datetime, BeforeValidator(_text)]


class Body(BaseModel):
    """A body that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid")


class Range(Body):
    """Values from `min` to `max`, both included; either may be left out."""

    min: Number | StrictStr | None = None
    max: Number | StrictStr | None = None


Features = Annotated[dict[Name, Value | Annotated[list[Value], Field(max_length=1_000)] | None], Field(max_length=100)]
Where = Annotated[dict[Name, Range | Value | Annotated[list[Value], Field(max_length=1_000)]], Field(max_length=20)]


class Asker(Body):
    """Whose taste a question is about, and by what weighting."""

    preference: Weights | None = Field(None, description="weighting of a model that was trained for all of them")
    history: Ids = Field([], description="items a user is taken to have had as well, the oldest first")
    features: Features | None = Field(None, description="what is known of a single user, by column")
    model: Name | None = Field(None, description="one of the models; drawn by the user where not given")


class RecommendBody(Asker):
    """Asks for the best items of one user or of many."""

    user: Id | None = None
    users: Annotated[list[Id], Field(min_length=1, max_length=MOST_USERS)] | None = None
    k: Annotated[StrictInt, Field(ge=1, le=MOST_K)] = 10
    exclude: Ids = Field([], description="items that must not come; unknown ones are ignored, and counted")
    only: Ids | None = Field(None, description="items that may come")
    where: Where = Field({}, description="what the columns of the item table must hold")
    by: Weights | None = Field(None, description="what each task counts for, 0 where not named")
    exclude_seen: StrictBool = Field(
        True, description="leave out what the user had, in training and since, as far as the model counts it as seen"
    )
    candidates: Annotated[StrictInt, Field(ge=1, le=10_000)] = 500
    reasons: StrictBool = Field(False, description="name the nearest items of the user's history")

    model_config = shown({"user": 1, "k": 2, "where": {"genre": ["comedy", "crime"]}, "reasons": True})

    @model_validator(mode="after")
    def _one_or_many(self) -> Self:
        if (self.user is None) == (self.users is None):
            raise ValueError('give either "user", one id, or "users", a list of ids')
        if self.features is not None and self.users is not None and len(self.users) > 1:
            raise ValueError('"features" are those of a single user; ask for one user')
        return self

    @property
    def asking(self) -> list[str | int]:
        """Every user who asks."""
        return [self.user] if self.user is not None else list(self.users or [])


class ScoreBody(Asker):
    """Asks what every task expects of a user and some items."""

    user: Id
    items: Annotated[list[Id], Field(min_length=1, max_length=MOST_K)]

    model_config = shown({"user": 1, "items": ["Clue", "Diva"]})


class SimilarBody(Body):
    """Asks for the nearest items of an item, or users of a user."""

    item: Id | None = None
    user: Id | None = None
    k: Annotated[StrictInt, Field(ge=1, le=MOST_K)] = 10
    model: Name | None = None

    model_config = shown({"item": "Alien", "k": 2})

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.item is None) == (self.user is None):
            raise ValueError('give either "item" or "user"')
        return self


class EventBody(Body):
    """Something a user did."""

    id: Name = Field(description="the caller's own, such as a UUID: sent twice it is stored once")
    user: Id
    item: Id
    event: Name | None = Field(None, description='the kind, such as "watch"')
    value: Number | None = Field(None, description="how much: stars, a price, a duration")
    time: Number | Moment | None = Field(None, description="seconds since 1970, or ISO 8601; now if not given")

    def seconds(self, now: float) -> float:
        """The moment, in seconds since 1970.

        Args:
            now: For an event that names none.

        Returns:
            Seconds; a moment without a time zone is taken as UTC.
        """
        if isinstance(self.time, datetime):
            return (self.time if self.time.tzinfo else self.time.replace(tzinfo=UTC)).timestamp()
        return now if self.time is None else self.time


class EventsBody(Body):
    """Events to keep."""

    events: Annotated[list[EventBody], Field(min_length=1, max_length=MOST_EVENTS)]

    model_config = shown({"events": [{"id": "8f14e45f", "user": 1, "item": "Clue", "event": "watch", "value": 4.0}]})


class ModelBody(Body):
    """A model to serve."""

    name: Name
    share: Annotated[Number, Field(ge=0, le=1)] | None = Field(
        None, description="of the users; an equal part of what the others leave where not given"
    )
    role: Literal["live", "shadow"] = Field("live", description="a shadow is asked beside the live ones, and compared")


class ModelsBody(Body):
    """Says all that is to be served: what is new is loaded, what is not named is retired."""

    models: Annotated[list[ModelBody], Field(min_length=1, max_length=MOST_MODELS)]

    model_config = shown({"models": [{"name": "films"}, {"name": "films-next", "share": 0.1}]})


BODIES: dict[str, type[BaseModel]] = {
    "/v1/recommend": RecommendBody,
    "/v1/score": ScoreBody,
    "/v1/similar": SimilarBody,
    "/v1/events": EventsBody,
    "/v1/models": ModelsBody,
}
