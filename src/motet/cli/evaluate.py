"""The command that judges a saved model by held-out events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motet.cli.options import Asked, Json, SavedModel


def evaluate(
    model: SavedModel,
    test: Annotated[
        Path, typer.Argument(metavar="TEST", help="Held-out events, with the columns of the training log.")
    ],
    preference: Asked = None,
    json: Json = False,
) -> None:
    """Judge a saved model by events it was not trained on.

    [bold]all items[/bold] ranks each held-out item among the whole catalogue; [bold]unseen[/bold] leaves out what the
    user had in training, as recommendations do.

    [bold]Examples[/bold]

    motet evaluate model/ test.parquet

    motet evaluate model/ test.parquet --json

    motet evaluate model/ test.parquet --preference retrieval=.8,rating=.2
    """
    import dataclasses

    from motet.cli import answers
    from motet.data.recent import recent_like
    from motet.evaluation import evaluate as judge
    from motet.recommender import Recommender

    recommender = Recommender.load(model)
    asked = None if preference is None else answers.as_weights(preference.split(","))
    held_out = recent_like(recommender.log.encode(test), recommender.log)
    report = judge(recommender.model, held_out, train=recommender.log, preference=asked)
    if json:
        answers.print_json(dataclasses.asdict(report))
        return
    print(report)
