"""The program `motet`: its commands, and how it fails."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from motet import __version__
from motet.cli.ask import predict, recommend, similar
from motet.cli.check import check
from motet.cli.compare import compare
from motet.cli.demo import demo
from motet.cli.evaluate import evaluate
from motet.cli.export import export, verify
from motet.cli.index import index
from motet.cli.init import init
from motet.cli.report import report
from motet.cli.serve import serve
from motet.cli.sweep import sweep
from motet.cli.train import train
from motet.cli.tune import tune
from motet.errors import MotetError

app = typer.Typer(
    name="motet",
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="A mistake in what you ask exits with 2 and one line on stderr; a mistake of motet itself exits with 1.",
)
for command in (
    demo,
    init,
    check,
    train,
    compare,
    sweep,
    tune,
    evaluate,
    export,
    verify,
    recommend,
    predict,
    similar,
    report,
    index,
    serve,
):
    app.command()(command)


def _say_version(asked: bool) -> bool:
    if asked:
        print(f"motet {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say which motet this is.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback when something fails.")] = False,
) -> None:
    """Recommenders that serve several goals at once: train one model, ask it by id.

    [bold]Start with[/bold]  motet demo
    """


def main() -> None:
    """Run the program; `--debug` may stand anywhere."""
    arguments = sys.argv[1:]
    try:
        app([argument for argument in arguments if argument != "--debug"], prog_name="motet")
    except Exception as error:
        if "--debug" in arguments:
            raise
        if isinstance(error, MotetError):
            _fail(f"motet: {error}", 2)
        _fail(f"motet failed, and it is no fault of yours: {type(error).__name__}: {error} (--debug shows where)", 1)


def _fail(message: str, code: int) -> None:
    print(" ".join(message.split()), file=sys.stderr)
    sys.exit(code)
