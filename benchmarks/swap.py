"""Does a request fail while models are swapped? `python -m benchmarks.swap --requests 100000 --workers 1`.

A service of two models answers as fast as it can; meanwhile the one takes the place of the other, they share the users,
and what was served before comes back, one change after the other, each some seconds after all have followed the last.
Every answer must be a 200 of a model that is or was just being served.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import torch

USERS, ITEMS, CALLERS = 200, 500, 8
MOST_FAILED = 100  # of a caller, who gives up then
PAUSE_S = 10.0  # between changes, so that a busy machine answers requests too
TIMEOUT_S = 600  # a busy machine is slow, and slow is not failed
SERVE = [sys.executable, "-c", "from motet.cli import main; main()", "serve"]
CHANGES = [[{"name": "two"}], None, [{"name": "one"}, {"name": "two", "share": 0.5}], [{"name": "one"}]]


def save(folder: Path) -> None:
    """Two models of the same log, as they were initialised."""
    from motet import EventLog, FeatureTower, Model, Recommender, Schema, tasks

    draw = torch.Generator().manual_seed(0)
    events = {
        "user": torch.randint(USERS, (5_000,), generator=draw).tolist(),
        "item": torch.randint(ITEMS, (5_000,), generator=draw).tolist(),
        "stars": torch.randint(1, 6, (5_000,), generator=draw).tolist(),
    }
    log = EventLog.read(pl.DataFrame(events), Schema(user="user", item="item", signals=("stars",)))
    for seed, name in enumerate(("one", "two")):
        torch.manual_seed(seed)
        towers: dict[str, Any] = {"user": FeatureTower(log.users, dim=16), "item": FeatureTower(log.items, dim=16)}
        Recommender(Model(**towers, tasks=[tasks.Retrieval(), tasks.Rating("stars")]), log).save(folder / name)


@contextmanager
def service(folder: Path, workers: int) -> Iterator[int]:
    """A service of the model one, which may serve two; gives its port."""
    program = [*SERVE, str(folder / "one"), "--models", str(folder), "--workers", str(workers), "--port", "0"]
    program += ["--timeout", str(TIMEOUT_S)]
    with (folder / "log.txt").open("w+") as log:
        process = subprocess.Popen(program, stderr=log)
        try:
            yield _port(folder / "log.txt", process)
        finally:
            process.terminate()
            if process.wait(120):
                print(f"the service ended with {process.returncode}")


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    while process.poll() is None:
        if found := re.search(r"motet serves one at http://127\.0\.0\.1:(\d+)/", log.read_text()):
            return int(found[1])
        time.sleep(0.1)
    raise RuntimeError(log.read_text())


def call(port: int, path: str, body: object = None) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    sent = None if body is None else json.dumps(body)
    connection.request("GET" if body is None else "POST", path, sent, {"Content-Type": "application/json"})
    with contextlib.closing(connection), connection.getresponse() as answer:
        return answer.status, answer.read()


class Callers:
    """Threads that ask until enough was asked, or the time is over."""

    def __init__(self, port: int, requests: int, minutes: float) -> None:
        self.results: Counter[str] = Counter()
        self._port, self._requests, self._next = port, requests, count()
        self._until = time.monotonic() + 60 * minutes
        self._threads = [threading.Thread(target=self._ask) for _ in range(CALLERS)]
        for thread in self._threads:
            thread.start()

    def busy(self) -> bool:
        """Whether one of them still asks."""
        return any(thread.is_alive() for thread in self._threads)

    def _ask(self) -> None:
        results: Counter[str] = Counter()
        line: socket.socket | None = None
        for number in self._next:
            if number >= self._requests or time.monotonic() > self._until or failed(results) > MOST_FAILED:
                break
            try:
                line = line or socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S)
                results[recommend(line, number % USERS)] += 1
            except (OSError, ValueError) as error:
                results[f"failed with {type(error).__name__}"] += 1
                line = None
            if number % 500 == 0:  # another worker may take the next connection
                line = None
        self.results.update(results)


def recommend(line: socket.socket, user: int) -> str:
    """Ask over a connection; gives the name of the model that answered. A tenth of the cost of http.client."""
    body = b'{"user": %d, "k": 3}' % user
    head = b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    line.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    answer = b""
    while (end := answer.find(b"\r\n\r\n")) < 0 or len(answer) < end + 4 + _length(answer[:end]):
        part = line.recv(1 << 16)
        if not part:
            raise ConnectionResetError
        answer += part
    if not answer.startswith(b"HTTP/1.1 200"):
        return f"failed with {answer[9:12].decode()}"
    name: str = json.loads(answer[end + 4 :])["model"]["name"]
    return name


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])


def failed(results: Counter[str]) -> int:
    return results.total() - results["one"] - results["two"]


def change(port: int, models: object, workers: int) -> tuple[float, float]:
    """Swap; gives the seconds until it is answered, and from then until every worker has followed."""
    began = time.perf_counter()
    path, body = ("/v1/models/rollback", {}) if models is None else ("/v1/models", {"models": models})
    status, answer = call(port, path, body)
    if status != 200:
        raise RuntimeError(answer.decode())
    answered, generation = time.perf_counter(), json.loads(answer)["generation"]
    while _generations(port) != [generation] * workers:
        time.sleep(0.01)
    return answered - began, time.perf_counter() - answered


def _generations(port: int) -> list[int]:
    text = call(port, "/metrics")[1].decode()
    return [int(float(number)) for number in re.findall(r"^motet_generation(?:\{.*\})? (\S+)$", text, re.MULTILINE)]


def measure(requests: int, workers: int, minutes: float) -> bool:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        save(folder)
        with service(folder, workers) as port:
            began, callers, times = time.perf_counter(), Callers(port, requests, minutes), []
            for number in count():
                if not callers.busy():
                    break
                times.append(change(port, CHANGES[number % len(CHANGES)], workers))
                time.sleep(PAUSE_S)
            took = time.perf_counter() - began
    loads, follows = zip(*times, strict=True)
    print(
        f"| {workers} | {callers.results.total():,} | {failed(callers.results)} | {len(times)} | "
        f"{callers.results['two']:,} | {median(loads):.2f} / {max(loads):.2f} | "
        f"{median(follows):.2f} / {max(follows):.2f} | {took:.0f} |",
        flush=True,
    )
    for name, number in callers.results.items():
        if name.startswith("failed"):
            print(f"{number} {name}")
    return not failed(callers.results)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--requests", type=int, default=100_000)
    arguments.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    arguments.add_argument("--minutes", type=float, default=60, help="after which no more is asked")
    asked = arguments.parse_args()
    print(
        "| workers | requests | failed | changes | answered by the second | seconds of a change, median / most |",
        end="",
    )
    print(" until every worker followed | all |\n|---|---|---|---|---|---|---|---|")
    return int(sum(not measure(asked.requests, workers, asked.minutes) for workers in asked.workers) > 0)


if __name__ == "__main__":
    sys.exit(main())
