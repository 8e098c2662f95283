"""The command that trains a model and saves it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motet.cli.options import Json


def train(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="One row an event: Parquet, CSV, TSV, Arrow or Feather.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MODEL", help="Folder to save the model in.")],
    user: Annotated[str, typer.Option(metavar="COLUMN", help="Column of user ids.")] = "user_id",
    item: Annotated[str, typer.Option(metavar="COLUMN", help="Column of item ids.")] = "item_id",
    rating: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of a number to predict; without one, retrieval alone.")
    ] = None,
    time: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of the moment of each event.")] = None,
    users: Annotated[Path | None, typer.Option(metavar="FILE", help="Table of users, one row each.")] = None,
    items: Annotated[Path | None, typer.Option(metavar="FILE", help="Table of items, one row each.")] = None,
    user_feature: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=KIND", help="What is known of users. Repeatable. Kinds: see below."),
    ] = None,
    item_feature: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=KIND", help="What is known of items. Repeatable."),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK=WEIGHT",
            help="What a task's loss counts for; 1 where not named, 10 for retrieval beside a rating. Repeatable.",
        ),
    ] = None,
    dim: Annotated[int, typer.Option(help="Width of the vectors.")] = 32,
    epochs: Annotated[int, typer.Option(help="Passes over the log.")] = 10,
    batch_size: Annotated[int, typer.Option(help="Events a step.")] = 8192,
    lr: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Start of all random numbers.")] = 0,
    json: Json = False,
) -> None:
    """Train a model on an event log and save it.

    Without --rating the model retrieves: it learns which items a user turns to. With it, one joint model also
    predicts the number.

    [bold]Examples[/bold]

    motet train log.parquet --user user_id --item item_id --rating rating -o model/

    motet train log.csv --items items.csv --item-feature genres=multi_valued --item-feature year=numeric -o model/

    [bold]Kinds of features[/bold]  categorical, numeric, multi_valued, text, timestamp
    """
    from motet.artifact.folder import check_free
    from motet.cli import answers, declare
    from motet.data.log import EventLog
    from motet.recommender import Recommender
    from motet.train import fit

    check_free(output)
    schema = declare.schema(
        user, item, time=time, rating=rating, user_features=user_feature or [], item_features=item_feature or []
    )
    events = EventLog.read(log, schema, users=users, items=items)
    model = declare.model(events, rating=rating, dim=dim, weights=answers.as_weights(weight or []), seed=seed)
    history = fit(model, events, epochs=epochs, batch_size=batch_size, optimizer=declare.adam(lr), seed=seed)
    Recommender(model, events).save(output)
    if json:
        answers.print_json({"model": str(output), "events": len(events), "history": history.to_dicts()})
        return
    losses = ", ".join(f"{name} {value:.4f}" for name, value in history.row(-1, named=True).items() if "/" in name)
    print(f"Trained on {events}; losses of the last epoch: {losses}.")
    print(f"Saved to {output}. Ask it: motet recommend {output} {events.users.vocab.ids[0]}")
