"""Calls: every question that a service answers, each described once for `Client` and `AsyncClient` alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from motet.client import answers
from motet.client.answers import Id
from motet.client.call import Call, given
from motet.client.event import Event
from motet.errors import ConfigError, did_you_mean


def recommend(
    user: Id | None = None,
    *,
    users: Iterable[Id] | None = None,
    k: int = 10,
    exclude: Iterable[Id] = (),
    only: Iterable[Id] | None = None,
    where: Mapping[str, Any] | None = None,
    by: Mapping[str, float] | None = None,
    preference: Mapping[str, float] | None = None,
    history: Iterable[Id] = (),
    features: Mapping[str, Any] | None = None,
    exclude_seen: bool = True,
    candidates: int = 500,
    reasons: bool = False,
    model: str | None = None,
) -> Call[answers.Recommendations]:
    """The best items of one user or of many: retrieved, filtered, ranked by every task and fused.

    Args:
        user: One user; a user the model does not know is served, and said to be unknown.
        users: Many, in place of one.
        k: How many items for each.
        exclude: Items that must not come.
        only: Items that may come; all where not given.
        where: What columns of the item table must hold: a value, a list of values of which one must be there, or
            `{"min": .., "max": ..}`.
        by: What each task counts for in the order, 0 where not named.
        preference: Weighting of a model that was trained for all of them.
        history: Items the user is taken to have had as well, the oldest first.
        features: What is known of a single user, by column.
        exclude_seen: Leave out what the user had, in training and since.
        candidates: How many items are retrieved and then ranked by every task.
        reasons: Name the nearest items of the history beside each item.
        model: One of the service's models; drawn by the user where not given.

    Returns:
        The call; `answer.items[0].tasks["rating"]` is what a task expects of the best item.
    """
    body = given(user=user, users=users, only=only, where=where, by=by, preference=preference, features=features)
    body |= {"k": k, "exclude": exclude, "history": history, "exclude_seen": exclude_seen}
    body |= {"candidates": candidates, "reasons": reasons, **given(model=model)}
    return Call("POST", "/v1/recommend", answers.Recommendations.model_validate_json, body)


def score(
    user: Id,
    items: Iterable[Id],
    *,
    preference: Mapping[str, float] | None = None,
    history: Iterable[Id] = (),
    features: Mapping[str, Any] | None = None,
    model: str | None = None,
) -> Call[answers.Scores]:
    """What every task expects of a user and some items.

    Args:
        user: The user.
        items: Items the model knows.
        preference: As in `recommend`.
        history: As in `recommend`.
        features: As in `recommend`.
        model: As in `recommend`.

    Returns:
        The call; items come in the order they were asked for.
    """
    body = {"user": user, "items": items, "history": history}
    body |= given(preference=preference, features=features, model=model)
    return Call("POST", "/v1/score", answers.Scores.model_validate_json, body)


def similar(
    item: Id | None = None, *, user: Id | None = None, k: int = 10, model: str | None = None
) -> Call[answers.Neighbours]:
    """The nearest items of an item, or users of a user.

    Args:
        item: An item the model knows.
        user: A user the model knows, in place of an item.
        k: How many.
        model: As in `recommend`.

    Returns:
        The call.
    """
    body = {"k": k, **given(item=item, user=user, model=model)}
    return Call("POST", "/v1/similar", answers.Neighbours.model_validate_json, body)


def add(events: Iterable[Event]) -> Call[answers.Added]:
    """Tell what users did: on the disk before the answer, and out of recommendations at once.

    Args:
        events: At most 1,000. Each keeps its id, so that telling one again changes nothing.

    Returns:
        The call.
    """
    body = {"events": [event.plain() for event in events]}
    return Call("POST", "/v1/events", answers.Added.model_validate_json, body)


def items(search: str = "", *, limit: int = 20, offset: int = 0, ids: Iterable[Id] = ()) -> Call[answers.Items]:
    """Items, with the columns of their table.

    Args:
        search: Part of an id or of a text column, in any case.
        limit: At most so many, up to 1,000.
        offset: So many are passed over.
        ids: Only these, where there are any.

    Returns:
        The call; a column is an attribute of the item: `answer.items[0].genre`.
    """
    query = {"search": search, "limit": limit, "offset": offset, "ids": [str(id) for id in ids]}
    return Call("GET", "/v1/items", answers.Items.model_validate_json, query=query)


def users(search: str = "", *, limit: int = 20, offset: int = 0) -> Call[answers.Users]:
    """Users of the training log.

    Args:
        search: Part of an id, in any case.
        limit: At most so many, up to 1,000.
        offset: So many are passed over.

    Returns:
        The call.
    """
    query = {"search": search, "limit": limit, "offset": offset}
    return Call("GET", "/v1/users", answers.Users.model_validate_json, query=query)


def history(user: Id, *, limit: int = 200) -> Call[answers.History]:
    """What a user did, in the training log and since, the newest first.

    Args:
        user: The user.
        limit: At most so many, up to 1,000.

    Returns:
        The call.
    """
    written = quote(str(user), safe="", errors="surrogatepass").replace(".", "%2E")  # "..", one level up, is an id too
    return Call("GET", f"/v1/users/{written}/history", answers.History.model_validate_json, query={"limit": limit})


def map(limit: int = 2_000) -> Call[answers.Map]:
    """Items as points: their vectors along the two directions of largest variance.

    Args:
        limit: At most so many, those with the most events first.

    Returns:
        The call.
    """
    return Call("GET", "/v1/map", answers.Map.model_validate_json, query={"limit": limit})


def model(name: str | None = None) -> Call[answers.ModelCard]:
    """Which models answer, and what one of them is.

    Args:
        name: Of the model; the one with the largest share where not given.

    Returns:
        The call.
    """
    return Call("GET", "/v1/model", answers.ModelCard.model_validate_json, query=given(model=name))


def serve(
    models: Iterable[str], *, shares: Mapping[str, float] | None = None, shadows: Iterable[str] = ()
) -> Call[answers.Lineup]:
    """Serve these models from now on: new ones are loaded and checked first, and no request fails meanwhile.

    Args:
        models: Names of the models that are to answer.
        shares: Of the users, by name; models without one get equal parts of what the others leave.
        shadows: Names of models that are asked beside them, and answer nobody.

    Returns:
        The call; its token needs the scope `admin`.

    Raises:
        ConfigError: If a share is that of none of the models.
    """
    live, shares = list(models), dict(shares or {})
    for name in shares:
        if name not in live:
            hint = did_you_mean(name, live)
            raise ConfigError(f"there is a share for {name!r}, which is no live model{hint}; models: {', '.join(live)}")
    wanted = [{"name": name, **given(share=shares.get(name))} for name in live]
    wanted += [{"name": name, "role": "shadow"} for name in shadows]
    return Call("POST", "/v1/models", answers.Lineup.model_validate_json, {"models": wanted})


def roll_back() -> Call[answers.Lineup]:
    """Serve again what was served before the last change.

    Returns:
        The call; its token needs the scope `admin`. It is not sent again by itself: twice goes back two changes.
    """
    return Call("POST", "/v1/models/rollback", answers.Lineup.model_validate_json, repeatable=False)


def report() -> Call[str]:
    """The report of the training, if the model came with one.

    Returns:
        The call; the answer is a page of HTML.
    """
    return Call("GET", "/v1/report", bytes.decode)


def ready() -> Call[answers.Readiness]:
    """Whether the service serves, and whether its events can be reached.

    Returns:
        The call.
    """
    return Call("GET", "/readyz", answers.Readiness.model_validate_json)
