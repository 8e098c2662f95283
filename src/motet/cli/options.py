"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SavedModel = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a saved model.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]
Count = Annotated[int, typer.Option("-k", metavar="K", help="Number of results.")]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        metavar="TASK=WEIGHT",
        help="Weight of a task in the ranking; tasks not named have weight 0. Repeatable.",
        show_default="as in the model",
    ),
]
Preference = Annotated[
    str | None,
    typer.Option(
        "--preference",
        metavar="TASK=WEIGHT,...",
        help="Weighting of the tasks, for a model trained for every weighting; tasks not named have weight 0.",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="TABLE.KEY=VALUE",
        help="Change a setting of the project, such as training.epochs=3. Repeatable.",
    ),
]
Feature = Annotated[
    list[str] | None,
    typer.Option(
        "--feature",
        metavar="FEATURE=VALUE",
        help="A feature of the user, instead of the one in the log. Repeatable.",
    ),
]
History = Annotated[
    list[str] | None,
    typer.Option(
        "--history",
        metavar="ITEM",
        help="An item the user had besides those in the log; numeric ids may be joined by commas. Repeatable.",
    ),
]
