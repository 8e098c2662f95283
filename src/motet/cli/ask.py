"""The commands that ask a saved model: recommend, predict, similar."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from motet.cli.options import Count, Feature, History, Json, Preference, SavedModel, Weights

Items = Annotated[list[str], typer.Argument(metavar="ITEM...", help="Item ids.")]


def recommend(
    model: SavedModel,
    users: Annotated[list[str] | None, typer.Argument(metavar="[USER...]", help="User ids.")] = None,
    k: Count = 10,
    file: Annotated[
        Path | None,
        typer.Option("--users", metavar="FILE", help="A table whose user column lists the users; see -o."),
    ] = None,
    everyone: Annotated[bool, typer.Option("--everyone", help="All users of the training log; see -o.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", metavar="FILE", help="Write one table (.parquet, .csv, .arrow) instead of printing."),
    ] = None,
    by: Weights = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="ITEM", help="Leave out this item. Repeatable.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ITEM", help="Choose only from these items. Repeatable.")
    ] = None,
    candidates: Annotated[int, typer.Option(metavar="N", help="Items to retrieve before the tasks rank them.")] = 500,
    include_seen: Annotated[
        bool, typer.Option("--include-seen", help="Include items that the user had in training.")
    ] = False,
    preference: Preference = None,
    feature: Feature = None,
    history: History = None,
    json: Json = False,
) -> None:
    """Recommend items to users.

    [bold]Examples[/bold]

    motet recommend model/ 42

    motet recommend model/ 42 43 -k 5 --by rating=.3 --by retrieval=.7

    motet recommend model/ 42 --exclude 50 --exclude 181 --json

    motet recommend model/ 42 --preference retrieval=.8,rating=.2

    motet recommend model/ 10000 --feature age=24 --feature gender=F --history 50,181

    motet recommend model/ --everyone -k 20 -o lists.parquet

    motet recommend model/ --users customers.csv -o lists.csv
    """
    from motet.cli import parse, printing
    from motet.recommendations import check_writable, recommend_table, write
    from motet.recommender import Recommender

    parse.check_users(users, file, everyone=everyone, output=output)
    if output is not None:
        check_writable(output)
    recommender = Recommender.load(model)
    ids = parse.as_users(users, file, recommender.users.vocab)
    request: dict[str, Any] = {
        "exclude_seen": not include_seen,
        "exclude": parse.as_ids(exclude or [], recommender.items.vocab),
        "only": None if only is None else parse.as_ids(only, recommender.items.vocab),
        "candidates": candidates,
        "by": None if by is None else parse.as_weights(by),
        "preference": None if preference is None else parse.as_weights(preference.split(",")),
        "features": parse.as_features(feature or [], recommender.users),
        "histories": parse.as_histories(history or [], ids, recommender.items),
    }
    if output is None:
        printing.show(recommender.recommend(ids, k, **request), ids, "user", recommender.items, json=json)
        return
    table = recommend_table(recommender, ids, k, **request)
    write(table, output)
    if json:
        printing.print_json({"table": str(output), "rows": len(table), "users": len(ids)})
    else:
        print(f"Wrote {len(table):,} rows for {len(ids):,} users to {output}")


def predict(
    model: SavedModel,
    user: Annotated[str, typer.Argument(metavar="USER", help="User id.")],
    items: Items,
    preference: Preference = None,
    feature: Feature = None,
    history: History = None,
    json: Json = False,
) -> None:
    """Print every task's score for a user and some items.

    [bold]Examples[/bold]

    motet predict model/ 42 97

    motet predict model/ 42 97 50 1 --json

    motet predict model/ 10000 97 --feature age=24 --history 50,181
    """
    from motet.cli import parse, printing
    from motet.recommender import Recommender

    recommender = Recommender.load(model)
    users = parse.as_ids([user], recommender.users.vocab)
    item_ids = parse.as_ids(items, recommender.items.vocab)
    asked = None if preference is None else parse.as_weights(preference.split(","))
    features = parse.as_features(feature or [], recommender.users)
    histories = parse.as_histories(history or [], users, recommender.items)
    scores = recommender.predict(users[0], item_ids, preference=asked, features=features, histories=histories)
    (basis,) = recommender.fold_in(users, features=features, histories=histories).basis
    printing.show_pairs(scores, users[0], item_ids, recommender.items, basis=basis, json=json)


def similar(
    model: SavedModel,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Item ids, or user ids with --users.")],
    k: Count = 10,
    users: Annotated[bool, typer.Option("--users", help="Find similar users instead of items.")] = False,
    json: Json = False,
) -> None:
    """Find the items (or users) whose vectors are most similar.

    [bold]Examples[/bold]

    motet similar model/ 50

    motet similar model/ 42 --users -k 3
    """
    from motet.cli import parse, printing
    from motet.recommender import Recommender

    recommender = Recommender.load(model)
    side = recommender.users if users else recommender.items
    asked = parse.as_ids(ids, side.vocab)
    top = recommender.similar_users(asked, k) if users else recommender.similar_items(asked, k)
    printing.show(top, asked, "user" if users else "item", side, json=json)
