"""The command that shows what motet does, on real data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motet.cli.options import Json


def demo(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MODEL", help="Folder for the best model.")] = Path(
        "movielens-model"
    ),
    json: Json = False,
) -> None:
    """Train, compare, recommend and rate on MovieLens 100K.

    Trains the three models of the multi-task tutorial of TensorFlow Recommenders and a better joint one, compares
    them with popularity and the global mean, saves the best, asks it, and writes a report beside it.

    [bold]Examples[/bold]

    motet demo

    motet demo -o model/ --json
    """
    import sys

    from motet.cli import show_demo
    from motet.demo import run

    found = run(output, say=lambda text: print(text, file=sys.stderr))
    if json:
        show_demo.print_as_json(found, output)
    else:
        show_demo.print_for_people(found, output)
