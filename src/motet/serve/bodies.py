"""Bodies of requests, each with an example and its limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)

from motet.client.answers import shown

MOST_USERS = 100
MOST_K = 1_000
MOST_IDS = 10_000
MOST_PAIRS = 100_000  # of users and candidates: about 2 s of work; 100 users times 10,000 candidates would be 15 s
MOST_EVENTS = 1_000
MOST_MODELS = 8
LATEST = 253_402_300_799  # the last second of the year 9999, which dates and times of most libraries end with
TEXT = r"^[^\x00]*$"  # PostgreSQL stores no NUL

Name = Annotated[StrictStr, Field(min_length=1, max_length=256, pattern=TEXT)]
Id = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | Name
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # neither true nor "1"
FIRST = Field(fail_fast=True)  # of a list the first wrong value is told: to describe each could take seconds
Ids = Annotated[list[Id], Field(max_length=MOST_IDS), FIRST]
Weights = Annotated[dict[Name, Number], Field(max_length=100)]
Bound = StrictInt | Number | Annotated[StrictStr, Field(max_length=1_000)]
Value = StrictBool | Bound
Values = Annotated[list[Value], Field(max_length=1_000), FIRST]


def _text(value: object) -> object:
    if not isinstance(value, str) or value.lstrip("+-").replace(".", "", 1).isdigit():
        raise ValueError("write a number, or a time such as 2026-01-31T18:00:00Z")
    return value


def _in_seconds(value: float) -> float:
    if value > LATEST:
        raise ValueError(f"write seconds since 1970, at most {LATEST:,} (the year 9999), and not milliseconds")
    return value


Seconds = Annotated[Number, AfterValidator(_in_seconds), Field(json_schema_extra={"maximum": LATEST})]
Moment = Annotated[datetime, BeforeValidator(_text)]


class Body(BaseModel):
    """A body that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid")


class Range(Body):
    """Values from `min` to `max`, both included; either may be left out."""

    min: Bound | None = None
    max: Bound | None = None


Features = Annotated[dict[Name, Value | Values | None], Field(max_length=100)]
Where = Annotated[dict[Name, Range | Value | Values], Field(max_length=20)]


class Asker(Body):
    """What requests about a user's taste have in common."""

    preference: Weights | None = Field(
        None, description="weighting of the tasks, for a model trained for every weighting"
    )
    history: Ids = Field([], description="further items of the user, oldest first")
    features: Features | None = Field(
        None, description="features of the user and context of the request, by column; for a single user only"
    )
    model: Name | None = Field(None, description="model to ask; if not given, assigned by the user's id")


class RecommendBody(Asker):
    """Asks for the best items for one user or several."""

    user: Id | None = None
    users: Annotated[list[Id], Field(min_length=1, max_length=MOST_USERS), FIRST] | None = None
    k: Annotated[StrictInt, Field(ge=1, le=MOST_K)] = 10
    exclude: Ids = Field([], description="items to leave out; unknown ones are ignored and listed in the answer")
    only: Ids | None = Field(None, description="items to choose from")
    where: Where = Field({}, description="conditions on columns of the item table")
    by: Weights | None = Field(None, description="weight of each task in the ranking; 0 if not named")
    exclude_seen: StrictBool = Field(
        True, description="leave out items the user had, in training or since, as far as the model counts them as seen"
    )
    candidates: Annotated[StrictInt, Field(ge=1, le=10_000)] = 500
    reasons: StrictBool = Field(False, description="name the nearest items of the user's history")

    model_config = shown({"user": 1, "k": 2, "where": {"genre": ["comedy", "crime"]}, "reasons": True})

    @model_validator(mode="after")
    def _one_or_many(self) -> Self:
        if (self.user is None) == (self.users is None):
            raise ValueError('give either "user", one id, or "users", a list of ids')
        if self.features is not None and self.users is not None and len(self.users) > 1:
            raise ValueError('"features" belong to a single user; ask for one user')
        users = len(self.asking)
        for name, count, most in (
            ("candidates", self.candidates, MOST_PAIRS),
            ("history", len(self.history), MOST_IDS),
        ):
            if users * count > most:
                raise ValueError(
                    f'{users} users times {count:,} "{name}" are {users * count:,}, and at most {most:,} are allowed; '
                    "ask for fewer users at a time"
                )
        return self

    @property
    def asking(self) -> list[str | int]:
        """All users that the request is about."""
        return [self.user] if self.user is not None else list(self.users or [])


class ScoreBody(Asker):
    """Asks for every task's scores for one user and some items."""

    user: Id
    items: Annotated[list[Id], Field(min_length=1, max_length=MOST_K), FIRST]

    model_config = shown({"user": 1, "items": ["Clue", "Diva"]})


class SimilarBody(Body):
    """Asks for the items nearest to an item, or the users nearest to a user."""

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

    id: Name = Field(description="chosen by the client, such as a UUID; an id is stored only once")
    user: Id
    item: Id
    event: Name | None = Field(None, description='kind of event, such as "watch"')
    value: Number | None = Field(None, description="stars, a price, a duration")
    time: Seconds | Moment | None = Field(None, description="seconds since 1970, or ISO 8601; now if not given")

    def seconds(self, now: float) -> float:
        """The time of the event, in seconds since 1970.

        Args:
            now: Used if the event has none.

        Returns:
            Seconds; a time without a time zone is taken as UTC.
        """
        if isinstance(self.time, datetime):
            return (self.time if self.time.tzinfo else self.time.replace(tzinfo=UTC)).timestamp()
        return now if self.time is None else self.time


class EventsBody(Body):
    """Events to store."""

    events: Annotated[list[EventBody], Field(min_length=1, max_length=MOST_EVENTS), FIRST]

    model_config = shown({"events": [{"id": "8f14e45f", "user": 1, "item": "Clue", "event": "watch", "value": 4.0}]})


class ModelBody(Body):
    """A model to serve."""

    name: Name
    share: Annotated[Number, Field(ge=0, le=1)] | None = Field(
        None, description="share of the users; models without one divide the rest equally"
    )
    role: Literal["live", "shadow"] = Field(
        "live", description="a shadow gets copies of requests; its answers are only measured"
    )


class ModelsBody(Body):
    """Lists all models to serve: new ones are loaded, those not listed are retired."""

    models: Annotated[list[ModelBody], Field(min_length=1, max_length=MOST_MODELS)]

    model_config = shown({"models": [{"name": "films"}, {"name": "films-next", "share": 0.1}]})


BODIES: dict[str, type[BaseModel]] = {
    "/v1/recommend": RecommendBody,
    "/v1/score": ScoreBody,
    "/v1/similar": SimilarBody,
    "/v1/events": EventsBody,
    "/v1/models": ModelsBody,
}
PARTS: dict[str, type[BaseModel]] = {"where": Range, "events": EventBody, "models": ModelBody}  # by field
