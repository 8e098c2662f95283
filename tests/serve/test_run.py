"""Where a service listens; what it answers as a process is in test_workers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from motet.cli import main
from motet.errors import ConfigError
from motet.recommender import Recommender
from motet.serve import run as module
from motet.serve.run import listen, run


def test_other_machines_need_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOTET_TOKENS", raising=False)
    for host in ("0.0.0.0", "::", "shop.example"):
        with pytest.raises(ConfigError, match="can be reached from other machines, so requests need tokens"):
            run([tmp_path], host=host, port=0)


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigError, match=f"cannot listen on 127.0.0.1 port {port}: .*; choose another with --port"
        ):
            listen("127.0.0.1", port)


def test_the_command_says_so_in_one_line_before_it_reads_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(sys, "argv", ["motet", "serve", str(tmp_path), "--port", str(port)])  # and no model there
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"motet: cannot listen on 127.0.0.1 port {port}: Address already in use; choose another with --port\n"
    )


def test_a_wrong_event_store_is_said_before_a_model_is_loaded(
    recommender: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[str] = []
    monkeypatch.setattr(module, "_serve", lambda *_, events, **__: served.append(events))
    recommender.save(tmp_path / "films")
    serve = partial(run, [tmp_path / "films"], host="127.0.0.1", port=0)
    for wrong in ("mysql://host/shop", str(tmp_path / "missing" / "events.db"), str(tmp_path)):
        with pytest.raises(ConfigError, match=r"the event store .*; give the path of a SQLite file, or postgresql://"):
            serve(events=wrong)
    assert served == []
    serve(events="postgresql://me:secret@127.0.0.1:1/shop")  # this one may come back
    serve()
    assert served == ["postgresql://me:secret@127.0.0.1:1/shop", str(tmp_path / "films.events.db")]
    said = capsys.readouterr().err
    assert "motet: the event store postgresql://me:***@127.0.0.1:1/shop does not answer: " in said
    assert "; recommendations are served without new events until it does, and events are refused\n" in said
    assert "secret" not in said


def test_a_host_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"host 'not an address' is not an address: .*; give one of this machine"):
        listen("not an address", 0)


def test_a_signal_that_comes_at_once_ends_the_service_in_order(recommender: Recommender, tmp_path: Path) -> None:
    recommender.save(tmp_path / "films")
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "MOTET_TOKENS": "", "TMPDIR": str(tmp_path / "temporary")}
    program = [sys.executable, "-m", "motet", "serve", str(tmp_path / "films"), "--port", "0"]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    assert "motet serves films at" in process.stderr.readline()
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert list((tmp_path / "temporary").glob("motet-serve-*")) == []
