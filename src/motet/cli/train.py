"""The command that trains and saves a model."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motet.cli.options import Changes, Json

if TYPE_CHECKING:
    from motet.project import Trained


def train(
    log: Annotated[
        Path,
        typer.Argument(
            metavar="LOG|PROJECT",
            help="A project file (.toml), or a log with one row per event: Parquet, CSV, TSV, Arrow or Feather.",
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
        str | None,
        typer.Option(metavar="COLUMN", help="Column of a number to predict. By default the model only retrieves."),
    ] = None,
    time: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of the time of each event.")] = None,
    users: Annotated[Path | None, typer.Option(metavar="FILE", help="Table with one row per user.")] = None,
    items: Annotated[Path | None, typer.Option(metavar="FILE", help="Table with one row per item.")] = None,
    user_feature: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=KIND", help="A feature of users. Repeatable. Kinds: see below."),
    ] = None,
    item_feature: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=KIND", help="A feature of items. Repeatable."),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK=WEIGHT",
            help="Weight of a task's loss; by default 1, and 10 for retrieval beside a rating. Repeatable.",
        ),
    ] = None,
    dim: Annotated[int | None, typer.Option(help="Width of the vectors.", show_default="32")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the log.", show_default="10")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Events per step.", show_default="8192")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate of Adam.", show_default="0.01")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all random numbers.", show_default="0")] = None,
    change: Changes = None,
    json: Json = False,
) -> None:
    """Train and save a model, from a project file or from a log and options.

    A project file (see motet init) declares everything, including test rows to evaluate on. A log is described by
    options: by default the model learns which items a user interacts with; with --rating, one joint model also
    predicts the rating.

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
    from motet.project.rewrite import SUFFIX
    from motet.project.tables import override
    from motet.report import Record

    check_free(output)
    options = {
        **{"user": user, "item": item, "rating": rating, "time": time, "users": users, "items": items},
        **{"user_feature": user_feature, "item_feature": item_feature, "weight": weight},
        **{"dim": dim, "epochs": epochs, "batch_size": batch_size, "lr": lr, "seed": seed},
    }
    given = {name: value for name, value in options.items() if value not in (None, [])}
    if log.suffix == SUFFIX:
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
    asked = shlex.join(["motet", "recommend", str(output), str(log.users.vocab.ids[0])])
    print(f"Saved to {output}. Ask it: {asked}")
