"""The command that trains a model and saves it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motet.cli.options import Changes, Json

if TYPE_CHECKING:
    from motet.project import Trained

PROJECT = ".toml"


def train(
    log: Annotated[
        Path,
        typer.Argument(
            metavar="LOG|PROJECT",
            help="A project file (.toml), or a log, one row an event: Parquet, CSV, TSV, Arrow or Feather.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MODEL", help="Folder to save the model in.")],
    user: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of user ids.", show_default="user_id")
    ] = None,
    item: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of item ids.", show_default="item_id")
    ] = None,
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
    dim: Annotated[int | None, typer.Option(help="Width of the vectors.", show_default="32")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the log.", show_default="10")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Events a step.", show_default="8192")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate of Adam.", show_default="0.01")] = None,
    seed: Annotated[int | None, typer.Option(help="Start of all random numbers.", show_default="0")] = None,
    change: Changes = None,
    json: Json = False,
) -> None:
    """Train a model and save it: as a project file says, or by options.

    A project file (see motet init) says everything, and its test rows judge the model. A log is described by
    options: without --rating the model retrieves, it learns which items a user turns to; with it, one joint model
    also predicts the number.

    [bold]Examples[/bold]

    motet train motet.toml -o model/

    motet train motet.toml -o model/ --set training.epochs=3 --set tasks.1.temperature=.2

    motet train log.parquet --user user_id --item item_id --rating rating -o model/

    motet train log.csv --items items.csv --item-feature genres=multi_valued --item-feature year=numeric -o model/

    [bold]Kinds of features[/bold]  categorical, numeric, multi_valued, text, timestamp
    """
    from motet.artifact.folder import check_free
    from motet.cli import declare
    from motet.project import Project
    from motet.project.tables import override
    from motet.report import Record

    check_free(output)
    options = {
        **{"user": user, "item": item, "rating": rating, "time": time, "users": users, "items": items},
        **{"user_feature": user_feature, "item_feature": item_feature, "weight": weight},
        **{"dim": dim, "epochs": epochs, "batch_size": batch_size, "lr": lr, "seed": seed},
    }
    given = {name: value for name, value in options.items() if value not in (None, [])}
    if log.suffix == PROJECT:
        declare.nothing_beside(given)
        project = Project.read(log, change or [])
    else:
        project = Project(override(declare.tables(log, given), change or []))
    trained = project.train()
    record = Record.of_project(project, trained)
    trained.recommender.save(output, run=record.to_json())
    _show(trained, output, json=json)


def _show(trained: Trained, output: Path, *, json: bool) -> None:
    from motet.cli import printing

    log, history, report = trained.rows.train, trained.history, trained.report
    if json:
        shown = {"model": str(output), "events": len(log), "history": history.to_dicts()}
        printing.print_json(shown | ({} if report is None else {"report": report.to_dict()}))
        return
    if report is not None:
        print(report)
    last = history.row(-1, named=True)
    losses = ", ".join(
        f"{name.removeprefix('loss/')} {value:.4f}" for name, value in last.items() if name.startswith("loss/")
    )
    print(f"Trained on {log}; losses of the last epoch: {losses}.")
    print(f"Saved to {output}. Ask it: motet recommend {output} {log.users.vocab.ids[0]}")
