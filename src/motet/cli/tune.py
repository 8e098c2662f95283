"""The command that searches for better settings."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motet.cli.options import Changes, Json

if TYPE_CHECKING:
    from motet.compare import Tuned


def tune(
    project: Annotated[Path, typer.Argument(metavar="PROJECT", help="A project file (.toml) with validation rows.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Project file to write.")] = Path(
        "tuned.toml"
    ),
    minutes: Annotated[float | None, typer.Option(help="Time after which no trial starts.", show_default="10")] = None,
    trials: Annotated[int | None, typer.Option(help="Number of trials; reproducible, unlike a time limit.")] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", help="A validation metric.", show_default="mean gain over the tasks, none of them worse"
        ),
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE.KEY=VALUES",
            help="Values to try instead of the default search space, as in motet sweep. Repeatable.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the search.", show_default="0")] = None,
    jobs: Annotated[int | None, typer.Option(help="Number of trainings in parallel.", show_default="1")] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for the trials; a search there resumes.")
    ] = None,
    change: Changes = None,
    json: Json = False,
) -> None:
    r"""Search for sizes, learning rates and regularisation, on validation rows alone.

    Writes a copy of the project with the best settings. Defaults of the options can be set in the table \[tune] of
    the project.

    [bold]Examples[/bold]

    motet tune motet.toml --minutes 10

    motet tune motet.toml --trials 30 --objective rating/rmse -o tuned.toml
    """
    from motet.cli import parse
    from motet.compare import tune as run
    from motet.compare.declared import declared
    from motet.project import Project
    from motet.project.rewrite import check_new

    check_new(output)
    read = Project.read(project, change or [])
    options = {
        **{"minutes": minutes, "trials": trials, "objective": objective, "over": parse.as_values(over or [])},
        **{"seed": seed, "jobs": jobs, "folder": None if folder is None else str(folder)},
    }
    given = {name: value for name, value in options.items() if value not in (None, {})}
    found = run(read, **declared(read, run, given))
    _show(found, output, json=json)  # first, in case the file cannot be written
    found.write(read, output)
    if not json:
        print(f"Wrote {output}. Evaluate it on the test rows: motet train {shlex.quote(str(output))} -o model/")


def _show(found: Tuned, output: Path, *, json: bool) -> None:
    import dataclasses

    from motet.cli import printing
    from motet.metrics.text import number

    if json:
        printing.print_json(
            {
                "start": dataclasses.asdict(found.start),
                "best": dataclasses.asdict(found.best),
                **{"settings": found.settings, "trials": len(found.trials), "project": str(output)},
            }
        )
        return
    for key in found.score.keys:
        rule = found.yardstick.rule(key)
        start, best, simple = map(number, (found.start.figure(key), found.best.figure(key), rule))
        print(f"{key}: start {start}, best {best}, simple rule {simple}")
    print("\n".join(found.yardstick.notes))
    stopped = sum(trial.state == "pruned" for trial in found.trials)
    print(f"Trials: {len(found.trials)}, of which {stopped} stopped early.")
    print("The best trial was chosen on these rows, so its metrics are optimistic.")
    if not found.settings:
        print("None was better than the project as it is.")
    for key, value in found.settings.items():
        print(f"  {key} = {'(not given)' if value is None else value}")
