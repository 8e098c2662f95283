"""The command that checks a project file against its data, without training."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from motet.cli.options import Changes, Json


def check(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="A project file (.toml).")],
    change: Changes = None,
    json: Json = False,
) -> None:
    """Check a project file against its data, without training.

    Anything that training would refuse (settings, columns and their kinds, labels, conditions, the split) is an error.
    What is allowed but probably a mistake, such as a feature that is different for every item, is a warning.

    [bold]Examples[/bold]

    motet check motet.toml

    motet check motet.toml --set split.test=.1 --json
    """
    import dataclasses

    from motet.cli import printing
    from motet.compare import compare, sweep, tune
    from motet.compare.declared import declared
    from motet.project import Project
    from motet.project import check as hold

    read = Project.read(project, change or [])
    for function in (compare, sweep, tune):
        declared(read, function, {})  # raises the errors of its table
    found = hold(read)
    if json:
        printing.print_json(dataclasses.asdict(found))
        return
    for fact in found.facts:
        print(fact)
    for warning in found.warnings:
        print(f"warning: {warning}")
    print(f"{project} can be trained: motet train {shlex.quote(str(project))} -o model/")
