"""Several processes at one address."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from motet.errors import ConfigError
from motet.recommender import Recommender
from motet.serve.workers import Workers

SERVE = [sys.executable, "-c", "from motet.cli import main; main()", "serve"]


@pytest.fixture
def address(recommender: Recommender, tmp_path: Path) -> Iterator[str]:
    """Of two workers that serve old and may serve new."""
    for name in ("old", "new"):
        recommender.save(tmp_path / "models" / name)
    program = [*SERVE, str(tmp_path / "models" / "old"), "--models", str(tmp_path / "models"), "--workers", "2"]
    process = subprocess.Popen(
        [*program, "--port", "0"], stderr=subprocess.PIPE, text=True, env={**os.environ, "MOTET_TOKENS": ""}
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    found = re.search(r"motet serves old at (http://127\.0\.0\.1:\d+)/", said)
    try:
        assert found, said + process.stderr.read()
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0


def ask(address: str, path: str, body: object = None) -> httpx.Response:
    """Over a connection of its own, which either worker may take."""
    answer = httpx.get(address + path) if body is None else httpx.post(address + path, json=body)
    assert answer.status_code == 200, answer.text
    return answer


def generations(address: str) -> dict[int, int]:
    """What each worker has followed, by its process."""
    lines = re.findall(r'motet_generation\{pid="(\d+)"\} (\d+)', ask(address, "/metrics").text)
    return {int(pid): int(generation) for pid, generation in lines}


def until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_workers_follow_a_swap_and_one_that_dies_is_replaced(address: str, tmp_path: Path) -> None:
    assert list(generations(address).values()) == [1, 1]
    ask(address, "/v1/models", {"models": [{"name": "new"}]})
    until(lambda: set(generations(address).values()) == {2})
    event = {"id": "1", "user": 3, "item": "Film 1"}
    assert ask(address, "/v1/events", {"events": [event]}).json() == {"accepted": 1, "duplicates": 0}
    assert (tmp_path / "models.events.db").exists()
    for _ in range(6):
        answer = ask(address, "/v1/recommend", {"user": 3})
        assert "server" not in answer.headers
        assert answer.json()["model"]["name"] == "new"
        assert "Film 1" not in [item["id"] for item in answer.json()["results"][0]["items"]]
    counted = re.search(r'requests_total\{method="POST",route="/v1/recommend".*\} (.*)', ask(address, "/metrics").text)
    assert counted is not None
    assert float(counted[1]) == 6
    first, second = generations(address)
    os.kill(first, signal.SIGKILL)
    until(lambda: len(generations(address)) == 2 and first not in generations(address))
    assert second in generations(address)
    assert set(generations(address).values()) == {2}


def refuse(_listening: socket.socket, _ready: Callable[[], None]) -> None:
    raise ConfigError("the model is damaged")


def die(_listening: socket.socket, _ready: Callable[[], None]) -> None:
    os._exit(3)


@pytest.mark.parametrize(
    ("work", "message"),
    [(refuse, "the model is damaged"), (die, "a worker ended before it served; its own words stand above")],
)
def test_a_worker_that_cannot_begin_ends_them_all(
    work: Callable[[socket.socket, Callable[[], None]], None],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # put back at the end of the test
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.raises(ConfigError, match=message):
        Workers(work, listening, count=1, folder=str(tmp_path)).run(lambda: None)
