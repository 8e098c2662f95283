"""The commands that ask a saved model: recommend, predict, similar."""

from __future__ import annotations

from typing import Annotated

import typer

from motet.cli.options import Asked, Count, Had, Json, SavedModel, Told

Items = Annotated[list[str], typer.Argument(metavar="ITEM...", help="Item ids.")]


def recommend(
    model: SavedModel,
    users: Annotated[list[str], typer.Argument(metavar="USER...", help="User ids.")],
    k: Count = 10,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by", metavar="TASK=WEIGHT", help="What a task counts for; tasks not named count 0. Repeatable."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="ITEM", help="Never this item. Repeatable.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ITEM", help="Nothing but these items. Repeatable.")
    ] = None,
    candidates: Annotated[int, typer.Option(metavar="N", help="Items retrieved for the tasks to rank.")] = 500,
    include_seen: Annotated[bool, typer.Option("--include-seen", help="Also items the user had in training.")] = False,
    preference: Asked = None,
    feature: Told = None,
    history: Had = None,
    json: Json = False,
) -> None:
    """Recommend items to users.

    [bold]Examples[/bold]

    motet recommend model/ 42

    motet recommend model/ 42 43 -k 5 --by rating=.3 --by retrieval=.7

    motet recommend model/ 42 --exclude 50 --exclude 181 --json

    motet recommend model/ 42 --preference retrieval=.8,rating=.2

    motet recommend model/ 10000 --feature age=24 --feature gender=F --history 50,181
    """
    from motet.cli import answers, told
    from motet.recommender import Recommender

    recommender = Recommender.load(model)
    ids = answers.as_ids(users, recommender.users.vocab)
    top = recommender.recommend(
        ids,
        k,
        exclude_seen=not include_seen,
        exclude=answers.as_ids(exclude or [], recommender.items.vocab),
        only=None if only is None else answers.as_ids(only, recommender.items.vocab),
        candidates=candidates,
        by=None if by is None else answers.as_weights(by),
        preference=None if preference is None else answers.as_weights(preference.split(",")),
        features=told.as_features(feature or [], recommender.users),
        histories=told.as_histories(history or [], ids, recommender.items),
    )
    answers.show(top, ids, "user", recommender.items, json=json)


def predict(
    model: SavedModel,
    user: Annotated[str, typer.Argument(metavar="USER", help="User id.")],
    items: Items,
    preference: Asked = None,
    feature: Told = None,
    history: Had = None,
    json: Json = False,
) -> None:
    """Say what every task expects of a user and an item.

    [bold]Examples[/bold]

    motet predict model/ 42 97

    motet predict model/ 42 97 50 1 --json

    motet predict model/ 10000 97 --feature age=24 --history 50,181
    """
    from motet.cli import answers, told
    from motet.recommender import Recommender

    recommender = Recommender.load(model)
    (user_id,) = answers.as_ids([user], recommender.users.vocab)
    item_ids = answers.as_ids(items, recommender.items.vocab)
    asked = None if preference is None else answers.as_weights(preference.split(","))
    features = told.as_features(feature or [], recommender.users)
    histories = told.as_histories(history or [], [user_id], recommender.items)
    scores = recommender.predict(user_id, item_ids, preference=asked, features=features, histories=histories)
    answers.show_pairs(scores, user_id, item_ids, recommender.items, json=json)


def similar(
    model: SavedModel,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Item ids, or user ids with --users.")],
    k: Count = 10,
    users: Annotated[bool, typer.Option("--users", help="Look for users that are alike, not for items.")] = False,
    json: Json = False,
) -> None:
    """Find items (or users) whose vectors point the same way.

    [bold]Examples[/bold]

    motet similar model/ 50

    motet similar model/ 42 --users -k 3
    """
    from motet.cli import answers
    from motet.recommender import Recommender

    recommender = Recommender.load(model)
    side = recommender.users if users else recommender.items
    asked = answers.as_ids(ids, side.vocab)
    top = recommender.similar_users(asked, k) if users else recommender.similar_items(asked, k)
    answers.show(top, asked, "user" if users else "item", side, json=json)
