"""The command that judges a saved model by held-out events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motet.cli.options import Json, SavedModel


def evaluate(
    model: SavedModel,
    test: Annotated[
        Path, typer.Argument(metavar="TEST", help="Held-out events, with the columns of the training log.")
    ],
    json: Json = False,
) -> None:
    """Judge a saved model by events it was not trained on.

    [bold]all items[/bold] ranks each held-out item among the whole catalogue; [bold]unseen[/bold] leaves out what the
    user had in training, as recommendations do.

    [bold]Examples[/bold]

    motet evaluate model/ test.parquet

    motet evaluate model/ test.parquet --json
    """
    import dataclasses

    from motet.cli import answers
    from motet.evaluation import evaluate as judge
    from motet.recommender import Recommender

    recommender = Recommender.load(model)
    report = judge(recommender.model, recommender.log.encode(test), train=recommender.log)
    if json:
        answers.print_json(dataclasses.asdict(report))
        return
    print(report)
