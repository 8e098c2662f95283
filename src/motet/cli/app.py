"""The program `motet`: its commands, and how it fails."""

from __future__ import annotations

import errno
import sys
from typing import Annotated, NoReturn

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

INTERRUPTED = 130  # what a shell expects after Ctrl-C
REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)  # by disk or system

app = typer.Typer(
    name="motet",
    rich_markup_mode="rich",
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
    arguments = sys.argv[1:] or ["--help"]
    try:
        code = app(
            [argument for argument in arguments if argument != "--debug"], prog_name="motet", standalone_mode=False
        )
    except typer.Abort:
        code = INTERRUPTED
    except Exception as error:
        if "--debug" in arguments:
            raise
        _fail(*_told(error))
    if code == INTERRUPTED:
        _fail("motet: interrupted", INTERRUPTED)
    sys.exit(code or 0)


def _told(error: Exception) -> tuple[str, int]:
    """An error in words, and the exit code."""
    if isinstance(error, MotetError):
        return f"motet: {error}", 2
    if hasattr(error, "format_message"):  # of typer: a misspelt command or option, or a value of another type
        words = error.format_message()
        where = getattr(getattr(error, "ctx", None), "command_path", "motet")
        words += _expanded(words)
        return f"motet: {words}{'' if words.endswith(('.', '?', ')')) else '.'} See {where} --help", 2
    if isinstance(error, OSError) and error.errno in REFUSED:
        return f"motet: {error.strerror}{'' if error.filename is None else f': {str(error.filename)!r}'}", 2
    if isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error):
        return "motet: there is not enough memory; choose a smaller dim or batch size, or use fewer rows", 2
    return f"motet failed, and it is no fault of yours: {type(error).__name__}: {error} (--debug shows where)", 1


def _expanded(words: str) -> str:
    """A hint for a pattern of files that the shell has replaced by their names."""
    if not words.startswith("Got unexpected extra argument") or "." not in words:
        return ""
    return "; several files that are one log are a pattern in quotes, such as 'orders-*.csv'."


def _fail(message: str, code: int) -> NoReturn:
    print(" ".join(message.split()), file=sys.stderr)
    sys.exit(code)
