"""The command that trains a project with many settings."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motet.cli.options import Changes, Json

if TYPE_CHECKING:
    from motet.compare import Sweep


def sweep(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="A project file (.toml) with validation rows.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FOLDER", help="Folder for the trials.", show_default="sweep"),
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE.KEY=VALUES",
            help="Values to try: training.epochs=5,10 or 'towers.*.dim=16..128:log'. Repeatable.",
        ),
    ] = None,
    weights: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Try a grid of task weights, N from one task alone to another.", show_default="11"
        ),
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="A validation metric. Repeatable.", show_default="one per task"),
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="grid, gp, tpe, nsga2 or random.", show_default="grid")] = None,
    trials: Annotated[
        int | None, typer.Option(help="Number of trials at most.", show_default="the grid, or 40")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Train each trial with this seed, and average. Repeatable.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Number of trainings in parallel.", show_default="1")] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Train on a Ray cluster: auto, local or its address.")
    ] = None,
    write: Annotated[
        int | None, typer.Option(metavar="TRIAL", help="Train nothing; write a trial's settings into the project file.")
    ] = None,
    change: Changes = None,
    json: Json = False,
) -> None:
    r"""Train a project with many settings, and mark the trials on the Pareto front.

    Metrics are measured on validation rows, never on test rows. An interrupted sweep resumes. Defaults of the options
    can be set in the table \[sweep] of the project.

    [bold]Examples[/bold]

    motet sweep motet.toml --weights 11 --jobs 2

    motet sweep motet.toml --over training.epochs=5,10 --over 'towers.*.dim=16..128:log:4'

    motet sweep motet.toml --over 'weights.retrieval=.1..100:log' --sampler gp --trials 30

    motet sweep motet.toml --write 7
    """
    from motet.cli import parse, printing
    from motet.compare import choose
    from motet.compare import sweep as run
    from motet.compare.declared import declared
    from motet.project import Project

    read = Project.read(project, change or [])
    options = {
        **{"folder": None if output is None else str(output), "over": parse.as_values(over or []), "weights": weights},
        **{"objectives": objective, "sampler": sampler, "trials": trials, "seeds": seed, "jobs": jobs, "ray": ray},
    }
    given = declared(read, run, {name: value for name, value in options.items() if value not in (None, [], {})})
    if write is not None:
        trial = choose(read, write, given.get("folder", "sweep"))
        if json:
            printing.print_json({"project": str(project), "trial": write, "settings": trial.settings})
            return
        told = ", ".join(f"{key} = {value}" for key, value in trial.settings.items())
        print(f"Wrote trial {write} into {project}: {told}.")
        if "by" in read.recommend.given and any(key.startswith("weights.") for key in trial.settings):
            print(
                "[recommend] by stays as it is: it weighs scores, not losses. Change it by hand if lists should follow."
            )
        return
    command = shlex.join(["motet", "sweep", str(project), *([] if output is None else ["-o", str(output)])])
    _show(run(read, **given), command, json=json)


def _show(found: Sweep, command: str, *, json: bool) -> None:
    import dataclasses

    from rich.console import Console

    from motet.cli import printing
    from motet.metrics.text import number

    if json:
        printing.print_json(
            {
                "objectives": found.objectives,
                "trials": [dataclasses.asdict(trial) for trial in found.trials],
                "front": [trial.number for trial in found.front],
                **{"hypervolume": found.hypervolume, "reference": found.reference},
                "beside": {name: dict(figures) for name, figures in found.yardstick.beside.items()},
                "notes": found.yardstick.notes,
            }
        )
        return
    Console(markup=False, highlight=False).print(found.table())
    print("\n".join(found.yardstick.notes))
    for trial in found.trials:
        if trial.state == "failed":
            print(f"Trial {trial.number} failed: {trial.error}")
    start = ", ".join(f"{key} {number(figure)}" for key, figure in found.reference.items())
    print(f"* on the Pareto front. Hypervolume {number(found.hypervolume)}, relative to {start}.")
    if not found.hypervolume:
        print("It is 0 because no trial is better than these figures in every objective.")
    if found.front:
        print(f"To use a trial: {command} --write {found.front[0].number}")
