"""The command that compares a joint model with its specialists and with baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motet.cli.options import Changes, Json


def compare(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="A project file (.toml) with a split.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FOLDER", help="Folder for the results.", show_default="compare"),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(metavar="N", help="Number of trainings of each system.", show_default="3")
    ] = None,
    level: Annotated[float | None, typer.Option(help="Confidence level of the intervals.", show_default="0.95")] = None,
    draws: Annotated[int | None, typer.Option(help="Bootstrap samples of users.", show_default="1000")] = None,
    jobs: Annotated[int | None, typer.Option(help="Number of trainings in parallel.", show_default="1")] = None,
    change: Changes = None,
    json: Json = False,
) -> None:
    r"""Train the joint model, a specialist for each task and baselines, and say whether joint training paid off.

    Metrics are measured on the test rows, with intervals over users and seeds. Joint training hurts a task if the
    interval of the difference from its specialist lies entirely on the wrong side of 0. An interrupted comparison
    resumes. Defaults of the options can be set in the table \[compare] of the project; tables \[\[baselines]] add
    baselines to popularity and the global mean.

    [bold]Examples[/bold]

    motet compare motet.toml --seeds 3 --jobs 2

    motet compare motet.toml --set 'baselines=["EASE", "BayesianMF"]' -o beat/
    """
    from motet.compare import compare as run
    from motet.compare.declared import declared
    from motet.project import Project

    read = Project.read(project, change or [])
    folder = None if output is None else str(output)
    options = {"folder": folder, "seeds": seeds, "level": level, "draws": draws, "jobs": jobs}
    given = declared(read, run, {name: value for name, value in options.items() if value is not None})
    found = run(read, **given)
    if json:
        print(found.model_dump_json())
        return

    from rich.console import Console

    Console(highlight=False).print(found.table())
    print("\n".join(found.notes))
    for warning in found.warnings:
        print(f"warning: {warning}")
    print("\n" + "\n".join(found.verdict))
