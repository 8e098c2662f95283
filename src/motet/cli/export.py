"""The commands that make an artifact from a saved model, and that verify one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from motet.cli.options import Json, SavedModel, Weights


def export(
    model: SavedModel,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="ARTIFACT", help="Folder to write.")],
    onnx: Annotated[
        bool, typer.Option("--onnx/--no-onnx", help="Add programs that onnxruntime runs without torch.")
    ] = True,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Private ed25519 key (PEM) to sign the artifact with.")
    ] = None,
    by: Weights = None,
    report: Annotated[
        bool | None,
        typer.Option(
            "--report/--no-report",
            help="Include the report of the training.",
            show_default="if motet train made the model and the extra report is installed",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Make an artifact: the model with its index, report and card, and programs that serve it without torch.

    [bold]Examples[/bold]

    motet export model/ -o artifact/

    motet export model/ -o artifact/ --sign key.pem

    motet export model/ -o artifact/ --by retrieval=.3 --by rating=.7
    """
    from motet.cli.parse import as_weights
    from motet.cli.printing import print_json
    from motet.export import export as write

    weights = None if by is None else as_weights(by)
    write(model, output, onnx=onnx, sign=sign, by=weights, report=_page(model, wanted=report))
    if json:
        print_json({"artifact": str(output)})
    else:
        print(f"Wrote {output}. Check it: motet verify {shlex.quote(str(output))}")


def _page(model: Path, *, wanted: bool | None) -> str | None:
    """The report of the training; None if there is nothing to report, or none is wanted."""
    from motet.artifact.saved import REPORT, RUN
    from motet.report import charts, read_runs
    from motet.report.page import page, sections

    there = (model / RUN).exists() and not (model / REPORT).exists()
    if wanted is False or (wanted is None and not (there and charts.installed())):
        return None

    runs = read_runs([model])
    return page(runs, sections(runs))


def verify(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="Folder of an artifact or of a saved model.")],
    key: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Public ed25519 key (PEM) that the signature must match.")
    ] = None,
    json: Json = False,
) -> None:
    """Check that an artifact is intact, who signed it, and that its programs agree with its model.

    [bold]Examples[/bold]

    motet verify artifact/

    motet verify artifact/ --key key.pub.pem
    """
    from motet.cli.printing import print_json
    from motet.export import verify as check

    checked = list(check(artifact, key=key))
    if json:
        print_json({"artifact": str(artifact), "checked": checked})
        return
    for line in checked:
        print(f"{line}.")
