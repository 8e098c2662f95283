from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from motet import __version__
from motet.cli.app import app
from motet.errors import ConfigError
from motet.recommender import Recommender

from .conftest import Run

COMMANDS = [command.callback.__name__ for command in app.registered_commands if command.callback]


def test_version_and_help(motet: Run) -> None:
    assert motet("--version") == (0, f"motet {__version__}\n", "")
    ran = motet("--help")
    assert ran.code == 0
    assert all(command in ran.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_example(motet: Run, command: str) -> None:
    ran = motet(command, "--help")
    assert ran.code == 0
    assert "Examples" in ran.out
    assert ran.out.count(f"motet {command}") >= 2
    assert "[]" not in ran.out  # the name of a table, lost as markup
    assert "--json" in ran.out or command == "serve"  # which answers nothing here, but over HTTP


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recommend", "--colour"], "No such option: --colour"),
        (["recommend", "model", 3, "-k", "many"], "Invalid value for '-k': "),
        (["predict", "model"], "Missing argument 'USER'. See motet predict --help"),
        (
            ["init", "log-1.csv", "log-2.csv"],
            "Got unexpected extra argument(s) (log-2.csv); several files that are one log are a pattern in quotes, "
            "such as 'orders-*.csv'. See motet init --help",
        ),
        (["recomend"], "No such command 'recomend'. Did you mean 'recommend'? See motet --help"),
    ],
)
def test_wrong_arguments_exit_2_with_one_line(motet: Run, arguments: list[object], words: str) -> None:
    ran = motet(*arguments)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith(f"motet: {words}")
    assert ran.err.endswith("--help\n")


def test_without_arguments_it_helps(motet: Run) -> None:
    assert motet() == motet("--help")


def fail(error: BaseException) -> object:
    def load(*_: object, **__: object) -> None:
        raise error

    return load


def test_our_mistakes_exit_1(motet: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recommender, "load", fail(ZeroDivisionError("division by zero")))
    ran = motet("recommend", "model", 3)
    words = "motet failed, and it is no fault of yours: ZeroDivisionError: division by zero (--debug shows where)\n"
    assert ran == (1, "", words)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "key.pem"), "Permission denied: 'key.pem'"),
        (MemoryError(), "there is not enough memory; choose a smaller dim or batch size, or use fewer rows"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "there is not enough memory; choose a smaller"),
    ],
)
def test_a_refusal_of_the_system_exits_2(
    motet: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    monkeypatch.setattr(Recommender, "load", fail(error))
    ran = motet("recommend", "model", 3)
    assert ran.code == 2
    assert ran.err.startswith(f"motet: {words}")


def test_an_interrupt_is_one_line(motet: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recommender, "load", fail(KeyboardInterrupt()))
    assert motet("recommend", "model", 3) == (130, "", "motet: interrupted\n")


def test_messages_stay_on_one_line(motet: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recommender, "load", fail(ConfigError("two\n  lines")))
    assert motet("recommend", "model", 3) == (2, "", "motet: two lines\n")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "motet", "recommend", str(tmp_path), "3", "--debug"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert "Traceback" in done.stderr
    assert "there is no saved model" in done.stderr


def test_starting_imports_nothing_heavy() -> None:
    program = "import sys, motet.cli; print(sorted({'torch', 'polars', 'numpy'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"[]\n"
