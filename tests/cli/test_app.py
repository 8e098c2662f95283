from __future__ import annotations

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
    assert "--json" in ran.out or command == "serve"  # which answers nothing here, but over HTTP


def test_a_wrong_option_exits_2(motet: Run) -> None:
    ran = motet("recommend", "--colour")
    assert ran.code == 2
    assert ran.out == ""


def fail(error: Exception) -> object:
    def load(*_: object, **__: object) -> None:
        raise error

    return load


def test_our_mistakes_exit_1(motet: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recommender, "load", fail(ZeroDivisionError("division by zero")))
    ran = motet("recommend", "model", 3)
    words = "motet failed, and it is no fault of yours: ZeroDivisionError: division by zero (--debug shows where)\n"
    assert ran == (1, "", words)


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
