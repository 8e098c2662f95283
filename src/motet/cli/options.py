"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SavedModel = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a saved model.")]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout, for machines.")]
Count = Annotated[int, typer.Option("-k", metavar="K", help="How many.")]
Asked = Annotated[
    str | None,
    typer.Option(
        "--preference",
        metavar="TASK=WEIGHT,...",
        help="The weighting to answer by, of a model trained for all of them; tasks not named weigh 0.",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="TABLE.KEY=VALUE", help="Change a setting of the project, as in training.epochs=3. Repeatable."
    ),
]
Told = Annotated[
    list[str] | None,
    typer.Option(
        "--feature",
        metavar="FEATURE=VALUE",
        help="What is known of the user, in place of what the log says. Repeatable.",
    ),
]
Had = Annotated[
    list[str] | None,
    typer.Option(
        "--history",
        metavar="ITEM",
        help="An item the user had besides those of the log; ids that are numbers may be joined by commas. Repeatable.",
    ),
]
