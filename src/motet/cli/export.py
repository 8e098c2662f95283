"""The commands that make an artifact of a saved model, and that check one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motet.cli.options import Json, SavedModel


def export(
    model: SavedModel,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="ARTIFACT", help="Folder to write.")],
    onnx: Annotated[
        bool, typer.Option("--onnx/--no-onnx", help="Whether to add programs that onnxruntime runs without torch.")
    ] = True,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Private ed25519 key (PEM) to sign the artifact with.")
    ] = None,
    json: Json = False,
) -> None:
    """Make an artifact: the model, a card, and programs that serve it without torch.

    [bold]Examples[/bold]

    motet export model/ -o artifact/

    motet export model/ -o artifact/ --sign key.pem
    """
    from motet.cli.answers import print_json
    from motet.export import export as write

    write(model, output, onnx=onnx, sign=sign)
    if json:
        print_json({"artifact": str(output)})
    else:
        print(f"Wrote {output}. Check it: motet verify {output}")


def verify(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="Folder of an artifact or of a saved model.")],
    key: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Public ed25519 key (PEM) whose owner must have signed it.")
    ] = None,
    json: Json = False,
) -> None:
    """Check that an artifact is whole, whose it is, and that its programs say what its model says.

    [bold]Examples[/bold]

    motet verify artifact/

    motet verify artifact/ --key key.pub.pem
    """
    from motet.cli.answers import print_json
    from motet.export import verify as check

    checked = list(check(artifact, key=key))
    if json:
        print_json({"artifact": str(artifact), "checked": checked})
        return
    for line in checked:
        print(f"{line}.")
