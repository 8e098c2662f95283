"""The command, as a process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from motet.errors import ConfigError
from motet.recommender import Recommender
from motet.serve.run import listen, run

SERVE = [sys.executable, "-c", "from motet.cli import main; main()", "serve"]


def test_the_command_serves_until_it_is_stopped(recommender: Recommender, tmp_path: Path) -> None:
    recommender.save(tmp_path / "films")
    program = [*SERVE, str(tmp_path / "films"), "--port", "0"]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env={**os.environ, "MOTET_TOKENS": ""})
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        address = re.search(r"motet serves films at (http://127\.0\.0\.1:\d+/)", said)
        assert address, said + process.stderr.read()
        with httpx.Client(base_url=address[1], timeout=30) as http:
            event = {"id": "1", "user": 3, "item": "Film 1"}
            assert http.post("/v1/events", json={"events": [event]}).json() == {"accepted": 1, "duplicates": 0}
            answer = http.post("/v1/recommend", json={"user": 3})
            assert "Film 1" not in [item["id"] for item in answer.json()["results"][0]["items"]]
            assert len(answer.json()["model"]["version"]) == 12
            assert "server" not in answer.headers
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert (tmp_path / "films.events.db").exists()


def test_other_machines_need_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOTET_TOKENS", raising=False)
    for host in ("0.0.0.0", "::", "shop.example"):
        with pytest.raises(ConfigError, match="can be reached from other machines, so that requests need tokens"):
            run([tmp_path], host=host, port=0)


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigError, match=f"cannot listen on 127.0.0.1 port {port}: .*; choose another with --port"
        ):
            listen("127.0.0.1", port)


def test_a_host_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"host 'not an address' is no address: .*; give one of this machine's"):
        listen("not an address", 0)
