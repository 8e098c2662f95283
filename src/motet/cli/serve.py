"""The command that serves saved models over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motet.errors import ConfigError


def serve(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MODEL", help="Folders of saved models; none, with --models, to serve what was served last."
        ),
    ] = None,
    share: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SHARE",
            help="Share of the users for a model, such as films=.9; the others divide the rest. Repeatable.",
        ),
    ] = None,
    shadow: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MODEL", help="Gets copies of requests; its answers are only measured, see /metrics. Repeatable."
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--models", metavar="DIR", help="Folder of saved models that may be served later; remembers what is served."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any but a loopback address needs tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one.")] = 8000,
    events: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="Where to keep events: an SQLite file (beside the model if not given) or postgresql://...",
        ),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File of tokens and their scopes (read, write, admin); if not given, $MOTET_TOKENS."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Number of processes; they share the memory of large arrays.")
    ] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Requests computed at once, in each process.")] = 2,
    waiting: Annotated[
        int, typer.Option(min=0, help="Requests that may wait in each process; further ones get 503.")
    ] = 64,
    timeout: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="Time until a request is given up.")
    ] = 10.0,
) -> None:
    """Serve saved models over HTTP, with a page to explore them.

    [bold]Examples[/bold]

    motet serve model/

    motet serve old/ new/ --share new=.1 --shadow next/ --models . --workers 2

    motet serve model/ --host 0.0.0.0 --tokens tokens.txt --events postgresql://motet@db/shop
    """
    try:
        from motet.serve.gate import Limits
        from motet.serve.run import run
    except ModuleNotFoundError as error:
        raise ConfigError(f"motet serve needs {error.name}; install it: pip install 'motet[serve]'") from error
    if not models and folder is None:
        raise ConfigError("there is nothing to serve; name a saved model, or a folder of them with --models DIR")
    run(
        models or [],
        shadows=shadow or [],
        shares=dict(map(_share, share or [])),
        folder=folder,
        host=host,
        port=port,
        events=events,
        tokens=tokens,
        limits=Limits(threads, waiting, timeout),
        workers=workers,
    )


def _share(text: str) -> tuple[str, float]:
    name, _, share = text.rpartition("=")
    try:
        return name, float(share)
    except ValueError:
        raise ConfigError(f"--share {text!r} is not the share of a model; write NAME=SHARE, as in films=.9") from None
