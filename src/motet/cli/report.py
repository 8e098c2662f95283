"""The command that writes a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motet.cli.options import Json


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of saved models, comparisons or sweeps."),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Folder for report.html and figures/.")
    ] = Path("report"),
    json: Json = False,
) -> None:
    """Write a report: one page that needs no network, and its figures as PNG and SVG.

    Depending on what the folders hold, it shows what was trained on what, a verdict, metrics with intervals, the Pareto
    front, losses and gradients, calibration, slices, and ten users with their recommendations.

    [bold]Examples[/bold]

    motet report model/

    motet report comparison/ sweep/ model/ -o report/
    """
    from motet.cli import printing
    from motet.report import read_runs, write_report

    page = write_report(read_runs(runs), output)
    if json:
        printing.print_json({"report": str(page), "figures": str(page.parent / "figures")})
    else:
        print(f"Wrote {page}, and its figures as PNG and SVG beside it. Open it in a browser.")
