"""The command that evaluates a saved model on held-out events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motet.cli.options import Json, Preference, SavedModel

LEVEL = 0.95  # of the intervals


def evaluate(
    model: SavedModel,
    test: Annotated[
        Path, typer.Argument(metavar="TEST", help="Held-out events, with the columns of the training log.")
    ],
    preference: Preference = None,
    ks: Annotated[
        str | None,
        typer.Option(
            "--ks",
            metavar="K,...",
            help="List lengths of hit rates and served lists; no rank beyond the longest is computed.",
            show_default="1,5,10,50,100, and 10",
        ),
    ] = None,
    slices: Annotated[
        str,
        typer.Option(
            "--slices",
            metavar="FAMILY,...",
            help="Metrics by group of rows: users (new, rare, heavy), items (new, rare, popular), visited, a column.",
        ),
    ] = "",
    positives: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION",
            help="Rows whose items count as right answers in served lists, as in \"event == 'purchase'\".",
            show_default="those of the task that retrieves",
        ),
    ] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Add the 95 % interval of each metric, by a bootstrap over users.")
    ] = False,
    json: Json = False,
) -> None:
    """Evaluate a saved model on events it was not trained on.

    [bold]all items[/bold] ranks each held-out item among the whole catalogue; [bold]unseen[/bold] leaves out what the
    user had in training, as recommendations do. [bold]served[/bold] measures the lists that users get: retrieved,
    filtered, ranked and fused.

    [bold]Examples[/bold]

    motet evaluate model/ test.parquet

    motet evaluate model/ test.parquet --json

    motet evaluate model/ test.parquet --ks 10,50

    motet evaluate model/ test.parquet --intervals --slices users,items

    motet evaluate model/ test.parquet --preference retrieval=.8,rating=.2
    """
    from motet.cli import parse, printing
    from motet.evaluation import evaluate as judge
    from motet.recommender import Recommender

    recommender = Recommender.load(model)
    asked = None if preference is None else parse.as_weights(preference.split(","))
    held_out = recommender.encode(test)
    families = [family.strip() for family in slices.split(",") if family.strip()]
    report = judge(
        recommender,
        held_out,
        train=recommender.log,
        ks=None if ks is None else parse.as_lengths(ks),
        preference=asked,
        slices=families,
        positives=positives,
    )
    level = LEVEL if intervals else None
    if json:
        printing.print_json(report.to_dict(level=level))
        return
    print(report.text(level=level))
