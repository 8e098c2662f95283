"""The command that serves a saved model over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motet.cli.options import SavedModel

HERE = ("127.0.0.1", "::1", "localhost")


def serve(
    model: SavedModel,
    host: Annotated[str, typer.Option(help="Address to listen on. Any but this machine's own needs tokens.")] = HERE[0],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    events: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="Where events are kept: a SQLite file, beside the model if not given, or postgresql://...",
        ),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Lines of a token and its scopes (read, write, admin), or else $MOTET_TOKENS."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Requests that are answered at once.")] = 2,
    waiting: Annotated[int, typer.Option(min=0, help="Requests that may wait; more get 503.")] = 64,
    timeout: Annotated[float, typer.Option(min=0.001, metavar="SECONDS", help="When a request is given up.")] = 10.0,
) -> None:
    """Serve a saved model over HTTP, with a page to look at it.

    [bold]Examples[/bold]

    motet serve model/

    motet serve model/ --host 0.0.0.0 --tokens tokens.txt --events postgresql://motet@db/shop
    """
    try:
        from motet.serve.run import run
    except ModuleNotFoundError as error:
        from motet.errors import ConfigError

        raise ConfigError(f"motet serve needs {error.name}; install it: pip install 'motet[serve]'") from error
    run(model, host=host, port=port, events=events, tokens=tokens, limits=(threads, waiting, timeout))
