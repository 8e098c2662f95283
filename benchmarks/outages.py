"""Are events lost or doubled when the whole service is killed under load, or when its database goes away?

    python -m benchmarks.outages --kills 50
    .ci/postgres sh -c 'python -m benchmarks.outages --kills 50 --url "$MOTET_TEST_POSTGRES"'
    .ci/postgres sh -c 'python -m benchmarks.outages --restarts 30 --url "$MOTET_TEST_POSTGRES"'

Four writers send batches of three events over HTTP and send a batch again, with the same ids, until it is acknowledged;
two readers ask for recommendations. With `--kills` the service gets `kill -9` at random moments, every fifth time while
it starts. With `--restarts` PostgreSQL is restarted, stopped at once, or killed with `kill -9`, in turn; then readers
have to be answered all the time, and writers with 200 or 503.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import polars as pl
import torch
from sqlalchemy import make_url, text

BATCH, WRITERS, READERS, USERS, ITEMS = 3, 4, 2, 50, 200
START_S = 300.0  # a start that takes longer has failed, also on a busy machine
SERVE = [sys.executable, "-c", "from motet.cli import main; main()", "serve"]
LIMITS = httpx.Limits(keepalive_expiry=2)  # before the service ends an idle connection itself
RIGHT = ("/v1/recommend 200", "/v1/events 200", "/v1/events 503")  # while the database is away
WAYS = ("restart", "stop at once", "kill -9")


def save_model(folder: Path) -> None:
    """Some users and items, as they are initialised."""
    from motet import EventLog, Model, Recommender, Schema
    from motet.tasks import Retrieval
    from motet.towers import FeatureTower

    events = pl.DataFrame({"user": [n % USERS for n in range(ITEMS)], "item": [f"item {n}" for n in range(ITEMS)]})
    log = EventLog.read(events, Schema(user="user", item="item"))
    torch.manual_seed(0)
    user, item = FeatureTower(log.users, dim=8), FeatureTower(log.items, dim=8)
    Recommender(Model(user=user, item=item, tasks=[Retrieval()]), log).save(folder)


class Service:
    """`motet serve` at one address, started again after each kill.

    Args:
        model: Folder of a saved model.
        url: Where events are kept.
    """

    def __init__(self, model: Path, url: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.command = [*SERVE, str(model), "--port", str(self.port), "--events", url]
        self.log = model.with_name("log")

    def start(self) -> None:
        """Start it; it is not ready yet."""
        environment = os.environ | {"MOTET_TOKENS": ""}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self.command, stderr=log, env=environment)
        self.began = time.perf_counter()

    def wait(self) -> float:
        """Until it is ready; gives seconds from its start."""
        while time.perf_counter() - self.began < START_S:
            try:
                if httpx.get(f"{self.address}/readyz", timeout=30).status_code == 200:
                    return time.perf_counter() - self.began
            except httpx.TransportError:
                time.sleep(0.02)
            if self.process.poll() is not None:
                sys.exit(f"the service did not start: {self.log.read_text()[-2000:]}")
        sys.exit(f"the service was not ready within {START_S:g} s")

    def kill(self) -> None:
        """As an operating system that is out of memory would."""
        self.process.kill()
        self.process.wait()


class Crowd:
    """Writers and readers, each in a thread.

    Args:
        address: Of the service.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.acknowledged: set[str] = set()
        self.answers: Counter[str] = Counter()
        self.last = 0.0
        self.failed = False
        self.over = threading.Event()
        work = [(self._write, number) for number in range(WRITERS)] + [
            (self._read, number) for number in range(READERS)
        ]
        self.threads = [threading.Thread(target=target, args=(number,)) for target, number in work]
        for thread in self.threads:
            thread.start()

    def close(self) -> None:
        """End, with every batch that was begun acknowledged."""
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, http: httpx.Client, path: str, body: dict[str, object]) -> bool:
        try:
            answer = http.post(path, json=body)
        except httpx.TransportError as error:  # it was killed, or is being started
            self.answers[f"{path} {type(error).__name__}"] += 1
            time.sleep(0.1)
            return False
        self.answers[f"{path} {answer.status_code}"] += 1
        if answer.status_code == 503:
            assert answer.headers["Retry-After"]
            time.sleep(0.02)
        return answer.status_code == 200

    def _write(self, writer: int) -> None:
        batch = 0
        with httpx.Client(base_url=self.address, timeout=30, limits=LIMITS) as http:
            while not self.over.is_set():
                ids = [f"{writer}/{batch}/{number}" for number in range(BATCH)]
                user = (writer + WRITERS * batch) % USERS
                events = [{"id": id, "user": user, "item": f"item {batch % ITEMS}"} for id in ids]
                while not self._ask(http, "/v1/events", {"events": events}):
                    if self.failed:
                        return
                self.acknowledged.update(ids)
                self.last = time.perf_counter()
                batch += 1

    def _read(self, reader: int) -> None:
        asked = reader
        with httpx.Client(base_url=self.address, timeout=30, limits=LIMITS) as http:
            while not self.over.is_set():
                self._ask(http, "/v1/recommend", {"user": asked % USERS, "k": 5})
                asked += READERS
                time.sleep(0.01)


def kill_service(service: Service, kills: int, draw: random.Random) -> str:
    """Kill and start it again; gives what is to be said of it."""
    slowest = 0.0
    for kill in range(kills):
        if kill % 5 == 4:
            time.sleep(draw.uniform(0, 3))
        else:
            slowest = max(slowest, service.wait())
            time.sleep(draw.uniform(0, 1))
        service.kill()
        service.start()
    slowest = max(slowest, service.wait())
    return f"{kills} kills of the service, started again within {slowest:.1f} s"


class Postgres:
    """The server that `.ci/postgres` started.

    Args:
        url: Its address.
    """

    def __init__(self, url: str) -> None:
        self.data = Path(str(make_url(url).query["host"])) / "data"
        program = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))[-1]
        owner = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self.control = [*owner, str(program), "-D", str(self.data), "-s", "-w", "-l", str(self.data.with_name("log"))]

    def fail(self, way: str, down_s: float) -> None:
        """Go away in some way and come back after some seconds."""
        if way == "restart":
            self.control_it("restart", "-m", "fast")
            return
        if way == "stop at once":
            self.stop()
        else:
            os.kill(int((self.data / "postmaster.pid").read_text().split("\n")[0]), 9)
        time.sleep(down_s)
        self.start()

    def stop(self) -> None:
        """Leave everything as it is, as a loss of power would."""
        self.control_it("stop", "-m", "immediate")

    def start(self) -> None:
        """Start again with the options it was started with first, once its children have let go of their memory."""
        while self.control_it("restart", check=False):
            time.sleep(0.1)

    def control_it(self, *command: str, check: bool = True) -> int:
        """Run `pg_ctl`; gives its exit status."""
        return subprocess.run([*self.control, *command], check=check, cwd="/", stderr=subprocess.DEVNULL).returncode


def restart_database(service: Service, crowd: Crowd, postgres: Postgres, restarts: int, draw: random.Random) -> str:
    """Have it fail again and again; gives what is to be said of it."""
    service.wait()
    time.sleep(1)
    crowd.answers.clear()  # those from before the service listened
    slowest, degraded = 0.0, 0
    for restart in range(restarts):
        time.sleep(draw.uniform(0.2, 1))
        seen: list[str] = []
        watcher = threading.Thread(target=watch, args=(service.address, over := threading.Event(), seen))
        watcher.start()
        postgres.fail(WAYS[restart % len(WAYS)], draw.uniform(0.5, 2))
        back = time.perf_counter()
        while crowd.last < back:
            if time.perf_counter() > back + START_S:
                sys.exit("writes did not come back")
            time.sleep(0.005)
        slowest = max(slowest, crowd.last - back)
        over.set()
        watcher.join()
        degraded += "degraded" in seen
    others = [answer for answer in crowd.answers if answer[-3:].isdigit() and answer not in RIGHT]
    if others:
        sys.exit(f"other answers came: {crowd.answers}")
    return (
        f"{restarts} failures of PostgreSQL, written to again within {slowest:.1f} s of its return, readyz degraded in "
        f"{degraded} of them"
    )


def watch(address: str, over: threading.Event, seen: list[str]) -> None:
    """What the service says of itself meanwhile."""
    while not over.is_set():
        seen.append(httpx.get(f"{address}/readyz", timeout=30).json()["status"])
        time.sleep(0.05)


def stored(url: str) -> list[str]:
    """Ids of the events in the database."""
    from motet.serve.events.store import EventStore

    store = EventStore(url)
    with store._transaction() as connection:
        ids = [row[0] for row in connection.execute(text("SELECT id FROM motet_events"))]
    store.close()
    return ids


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--kills", type=int, default=0, help="of the service")
    arguments.add_argument("--restarts", type=int, default=0, help="of PostgreSQL")
    arguments.add_argument("--url", help="an empty database; a new SQLite file where not given")
    arguments.add_argument("--seed", type=int, default=0)
    asked = arguments.parse_args()
    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_model(folder / "model")
        url = asked.url or str(folder / "events.db")
        service = Service(folder / "model", url)
        service.start()
        crowd = Crowd(service.address)
        try:
            if asked.restarts:
                told = restart_database(service, crowd, Postgres(url), asked.restarts, draw)
            else:
                told = kill_service(service, asked.kills, draw)
        except BaseException:
            crowd.failed = True
            raise
        finally:
            crowd.close()
            service.kill()
        ids = stored(url)
        tracebacks = len(re.findall("Traceback", service.log.read_text()))
    lost, doubled = crowd.acknowledged - set(ids), len(ids) - len(set(ids))
    others = set(ids) - crowd.acknowledged
    answers = ", ".join(f"{name}: {count:,}" for name, count in sorted(crowd.answers.items()))
    print(
        f"{told}: {len(crowd.acknowledged):,} events acknowledged, {len(ids):,} stored, {len(lost)} lost, "
        f"{doubled} duplicates, {len(others)} of no batch, {tracebacks} tracebacks; answers: {answers}"
    )
    return int(bool(lost or doubled or others or tracebacks) or not crowd.acknowledged)


if __name__ == "__main__":
    sys.exit(main())
