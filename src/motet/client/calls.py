"""Calls: one function for each route of a service, shared by `Client` and `AsyncClient`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from motet.client import answers
from motet.client.answers import Id
from motet.client.call import Call, given
from motet.client.event import Event
from motet.errors import ConfigError, did_you_mean

LOADING_S = (
    600.0  # a service answers a change once the models are loaded: 4 s for a million items, minutes from a slow disk
)


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
    """The best items for one user or for many: retrieved, filtered, ranked by every task and fused.

    Args:
        user: One user. A user whom the model does not know gets an answer too, with `known` false.
        users: Several users, instead of one.
        k: Items for each user.
        exclude: Items to leave out.
        only: Items to choose from; all items if not given.
        where: Conditions on columns of the item table: a value, a list of accepted values, or
            `{"min": .., "max": ..}`.
        by: Weight of each task in the ranking; tasks not named have weight 0.
        preference: Weighting of the tasks, for a model that was trained for every weighting.
        history: Further items of the user, oldest first.
        features: Features of the user and context of the request, by column; for a single user only.
        exclude_seen: Leave out items that the user had in training or in events since, as far as these
            count as seen.
        candidates: Items that are retrieved, and then ranked by every task.
        reasons: Name the items of the user's history that are nearest to each recommended item.
        model: Name of the model to ask; if not given, the service assigns one by the user's id.

    Returns:
        The call; `answer.items[0].tasks["rating"]` is a task's score for the best item.
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
    """Every task's score for one user and some items.

    Args:
        user: The user.
        items: Items; the model must know all of them.
        preference: As in `recommend`.
        history: As in `recommend`.
        features: As in `recommend`.
        model: As in `recommend`.

    Returns:
        The call; items are in the order given.
    """
    body = {"user": user, "items": items, "history": history}
    body |= given(preference=preference, features=features, model=model)
    return Call("POST", "/v1/score", answers.Scores.model_validate_json, body)


def similar(
    item: Id | None = None, *, user: Id | None = None, k: int = 10, model: str | None = None
) -> Call[answers.Neighbours]:
    """The items nearest to an item, or the users nearest to a user.

    Args:
        item: An item; the model must know it.
        user: A user, instead of an item; the model must know them.
        k: How many neighbours.
        model: As in `recommend`.

    Returns:
        The call.
    """
    body = {"k": k, **given(item=item, user=user, model=model)}
    return Call("POST", "/v1/similar", answers.Neighbours.model_validate_json, body)


def add(events: Iterable[Event]) -> Call[answers.Added]:
    """Store events. They are on disk before the answer, and their items are no longer recommended to their users.

    Args:
        events: At most 1,000. Sending an event again changes nothing, because it keeps its id.

    Returns:
        The call.
    """
    body = {"events": [event.plain() for event in events]}
    return Call("POST", "/v1/events", answers.Added.model_validate_json, body)


def items(search: str = "", *, limit: int = 20, offset: int = 0, ids: Iterable[Id] = ()) -> Call[answers.Items]:
    """Items, with the columns of the item table.

    Args:
        search: Part of an id or of a text column; upper and lower case are the same.
        limit: Largest number of items to return, up to 1,000.
        offset: Number of items to skip.
        ids: Only these items; all if empty.

    Returns:
        The call; a column is an attribute of the item: `answer.items[0].genre`.
    """
    query = {"search": search, "limit": limit, "offset": offset, "ids": [str(id) for id in ids]}
    return Call("GET", "/v1/items", answers.Items.model_validate_json, query=query)


def users(search: str = "", *, limit: int = 20, offset: int = 0) -> Call[answers.Users]:
    """Users of the training log.

    Args:
        search: Part of an id; upper and lower case are the same.
        limit: Largest number of users to return, up to 1,000.
        offset: Number of users to skip.

    Returns:
        The call.
    """
    query = {"search": search, "limit": limit, "offset": offset}
    return Call("GET", "/v1/users", answers.Users.model_validate_json, query=query)


def history(user: Id, *, limit: int = 200) -> Call[answers.History]:
    """A user's events: those since training, then those of the training log; of each the newest first.

    Args:
        user: The user.
        limit: Largest number of events to return, up to 1,000.

    Returns:
        The call.
    """
    written = quote(str(user), safe="", errors="surrogatepass").replace(".", "%2E")  # "..", one level up, is an id too
    return Call("GET", f"/v1/users/{written}/history", answers.History.model_validate_json, query={"limit": limit})


def map(limit: int = 2_000) -> Call[answers.Map]:
    """Items as points in the plane: the first two principal components of their vectors.

    Args:
        limit: Largest number of items to return; those with the most events come first.

    Returns:
        The call.
    """
    return Call("GET", "/v1/map", answers.Map.model_validate_json, query={"limit": limit})


def model(name: str | None = None) -> Call[answers.ModelCard]:
    """Which models the service has, and a description of one of them.

    Args:
        name: Name of that model; if not given, the one with the largest share.

    Returns:
        The call.
    """
    return Call("GET", "/v1/model", answers.ModelCard.model_validate_json, query=given(model=name))


def serve(
    models: Iterable[str], *, shares: Mapping[str, float] | None = None, shadows: Iterable[str] = ()
) -> Call[answers.Lineup]:
    """Serve these models from now on. New ones are loaded and checked first; no request fails meanwhile.

    The answer comes once the models serve. It may take ten minutes, even if the client allows an answer fewer.

    Args:
        models: Names of the models that answer requests.
        shares: Share of the users for each model, by name; models without one divide the rest equally.
        shadows: Names of models that get copies of the requests, but whose answers are only measured.

    Returns:
        The call; its token needs the scope `admin`.

    Raises:
        ConfigError: If a share names a model that is not in `models`.
    """
    live, shares = list(models), dict(shares or {})
    for name in shares:
        if name not in live:
            hint = did_you_mean(name, live)
            raise ConfigError(
                f"there is a share for {name!r}, but no live model of that name{hint} Models: {', '.join(live)}."
            )
    wanted = [{"name": name, **given(share=shares.get(name))} for name in live]
    wanted += [{"name": name, "role": "shadow"} for name in shadows]
    body = {"models": wanted}
    return Call("POST", "/v1/models", answers.Lineup.model_validate_json, body, patience_s=LOADING_S)


def roll_back() -> Call[answers.Lineup]:
    """Undo the last change of what is served. The answer takes as long as that of `serve`.

    Returns:
        The call; its token needs the scope `admin`. It is never retried, since sending it twice undoes two changes.
    """
    read = answers.Lineup.model_validate_json
    return Call("POST", "/v1/models/rollback", read, repeatable=False, patience_s=LOADING_S)


def report() -> Call[str]:
    """The report of the model's training, if it has one.

    Returns:
        The call; the answer is an HTML page.
    """
    return Call("GET", "/v1/report", bytes.decode)


def ready() -> Call[answers.Readiness]:
    """Whether the service can answer, and whether its event store can be reached.

    Returns:
        The call.
    """
    return Call("GET", "/readyz", answers.Readiness.model_validate_json)
