"""The command that writes a first project file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from motet.cli.options import Json


def init(
    log: Annotated[
        Path,
        typer.Argument(
            metavar="LOG",
            help="One row per event: Parquet, CSV, TSV, Arrow or Feather; several files as a pattern in quotes.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="PROJECT", help="The file to write.")] = Path(
        "motet.toml"
    ),
    users: Annotated[Path | None, typer.Option(metavar="FILE", help="Table with one row per user.")] = None,
    items: Annotated[Path | None, typer.Option(metavar="FILE", help="Table with one row per item.")] = None,
    user: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of user ids; guessed if not given.")
    ] = None,
    item: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of item ids; guessed if not given.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also list, as comments, all other settings with their defaults.")
    ] = False,
    json: Json = False,
) -> None:
    """Inspect a log and write a commented project file: data, schema, split, towers, tasks, training.

    The file marks every guess and explains every setting. Review it, then run motet check and motet train.

    [bold]Examples[/bold]

    motet init events.parquet

    motet init 'orders-*.csv'

    motet init log.csv --items items.csv --user customer --explain -o shop.toml
    """
    from motet.cli import printing
    from motet.project.init import init as declare
    from motet.project.rewrite import replace
    from motet.project.tables import read_tables

    tables = {side: path for side, path in (("user", users), ("item", items)) if path is not None}
    known = {side: name for side, name in (("user", user), ("item", item)) if name is not None}
    written = declare(log, output, tables=tables, known=known, explain=explain)
    replace(output, written)
    if json:
        printing.print_json({"project": str(output), "tables": read_tables(output)})
        return
    file = shlex.quote(str(output))
    print(f"Wrote {output}. Review it, then: motet check {file}; motet train {file} -o model/")
