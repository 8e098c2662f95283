"""Several processes at one address."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from prometheus_client.multiprocess import MultiProcessCollector

from motet.errors import ConfigError
from motet.serve.metrics import Metrics
from motet.serve.workers import Say, Workers

if TYPE_CHECKING:  # the processes that are started here do without torch
    from motet.recommender import Recommender

SERVE = [sys.executable, "-c", "from motet.cli import main; main()", "serve"]


@pytest.fixture
def service(recommender: Recommender, tmp_path: Path) -> Iterator[tuple[str, int]]:
    """The address and the process of a service with two workers that serve old and may serve new."""
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
        yield found[1], process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert all(json.loads(line) for line in log.splitlines())


def ask(address: str, path: str, body: object = None) -> httpx.Response:
    """Over a connection of its own, which either worker may take."""
    answer = httpx.get(address + path) if body is None else httpx.post(address + path, json=body)
    assert answer.status_code == 200, answer.text
    return answer


def generations(address: str) -> dict[int, int]:
    """What each worker has followed, by its number."""
    lines = re.findall(r'motet_generation\{pid="(\d+)"\} (\d+)', ask(address, "/metrics").text)
    return {int(pid): int(generation) for pid, generation in lines}


def workers_of(pid: int) -> list[int]:
    """The processes of the workers of a service."""
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_workers_follow_a_swap_and_one_that_dies_is_replaced(service: tuple[str, int], tmp_path: Path) -> None:
    address, pid = service
    assert generations(address) == {0: 1, 1: 1}
    httpx.get(address, headers={"Connection": "Upgrade", "Upgrade": "websocket"})
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
    first, second = workers_of(pid)
    os.kill(first, signal.SIGKILL)
    until(lambda: len(workers_of(pid)) == 2 and first not in workers_of(pid))
    assert second in workers_of(pid)
    until(lambda: generations(address) == {0: 2, 1: 2})


def refuse(_listening: socket.socket, _ready: Say, _beat: Say) -> None:
    raise ConfigError("the model is damaged")


def die(_listening: socket.socket, _ready: Say, _beat: Say) -> None:
    os._exit(3)


@pytest.mark.parametrize(
    ("work", "message"),
    [(refuse, "the model is damaged"), (die, "a worker ended before it could serve; its own messages are above")],
)
def test_a_worker_that_cannot_begin_ends_them_all(
    work: Callable[[socket.socket, Say, Say], None],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # put back at the end of the test
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.raises(ConfigError, match=message):
        Workers(work, listening, count=1, folder=str(tmp_path)).run(lambda: None)


def tell_number(listening: socket.socket, ready: Say, beat: Say) -> None:
    """Tell everybody who comes the number of this process, and count them; whoever says wait makes it wait for ever."""
    came = Metrics().events.labels("accepted")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listening.settimeout(0.05)
    ready()
    while True:
        beat()
        try:
            caller, _ = listening.accept()
        except TimeoutError:
            continue
        with caller:
            caller.settimeout(10)
            word = caller.recv(1)
            came.inc()
            caller.sendall(str(os.getpid()).encode())
        if word == b"w":
            threading.Event().wait()


def number(port: int, word: bytes = b"?") -> int:
    with socket.create_connection(("127.0.0.1", port), 60) as line:
        line.sendall(word)
        return int(line.recv(100))


def pids() -> set[int | None]:
    return {process.pid for process in multiprocessing.active_children()}


def test_a_worker_that_hangs_is_replaced_and_counts_on_while_others_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    caplog.set_level("INFO", "motet.serve")
    hung = []

    def watch(port: int) -> None:
        try:
            for pid in pids():  # as a terminal does, which interrupts the service as well: it is the one to stop them
                os.kill(pid or 0, signal.SIGINT)
            hung.append(number(port))
            os.kill(hung[0], signal.SIGSTOP)
            assert number(port) != hung[0]
            until(lambda: hung[0] not in pids() and len(pids()) == 2)
            hung.append(number(port, b"w"))
            until(lambda: hung[1] not in pids() and len(pids()) == 2)
            assert number(port) not in hung
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor() as threads:
        workers = Workers(tell_number, listening, count=2, folder=str(tmp_path), silent_s=3.0)
        watching: list[Future[None]] = []
        workers.run(lambda: watching.append(threads.submit(watch, listening.getsockname()[1])))
        watching[0].result()
    said = [json.loads(record.message) for record in caplog.records]
    assert set(hung) <= {line["hangs"] for line in said if "hangs" in line}  # a busy machine may delay others as long
    assert {line["ended"] for line in said if "ended" in line} == {-signal.SIGKILL}
    assert {path.name for path in tmp_path.glob("counter_*")} == {"counter_0.db", "counter_1.db"}
    (events,) = [each for each in MultiProcessCollector(None, str(tmp_path)).collect() if each.name == "motet_events"]
    assert [sample.value for sample in events.samples] == [4]
