"""Does an acknowledged event survive `kill -9`? Writers of an event store are killed at random moments.

    python -m benchmarks.durability --kills 1000
    .ci/postgres sh -c 'python -m benchmarks.durability --kills 1000 --url "$MOTET_TEST_POSTGRES"'

Each process first writes again what its predecessor may or may not have written, as a client does that got no answer.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from itertools import count
from multiprocessing.connection import Connection

from sqlalchemy import text

from motet.serve.events.event import Event
from motet.serve.events.store import EventStore

BATCH = 3
LONGEST_S = 0.06
READY = [
    "motet.serve.events.store",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "sqlalchemy.dialects.postgresql.psycopg",
    "psycopg",
]


def write(url: str, start: int, answers: Connection) -> None:
    """Write batches until somebody kills this process; tell the number of each once it is acknowledged."""
    store = EventStore(url)
    for batch in count(start):
        store.add([Event(f"{batch}/{number}", f"user {batch % 7}", f"item {number}", batch) for number in range(BATCH)])
        answers.send(batch)


def kill_writers(url: str, kills: int, seed: int) -> tuple[set[int], float]:
    """Start a writer, kill it, start the next; gives the acknowledged batches and the slowest start after a kill."""
    draw = random.Random(seed)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(READY)
    acknowledged: set[int] = set()
    slowest = 0.0
    for kill in range(kills):
        receiver, sender = processes.Pipe(duplex=False)
        writer = processes.Process(target=write, args=(url, max(acknowledged, default=-1) + 1, sender))
        writer.start()
        sender.close()
        if kill % 2:  # every other writer dies before or while it opens the store, the rest while they write
            receiver.poll(60)
        time.sleep(draw.uniform(0, LONGEST_S))
        writer.kill()
        writer.join()
        while True:  # what the writer had sent before it died
            try:
                acknowledged.add(receiver.recv())
            except (EOFError, OSError):
                break
        began = time.perf_counter()
        store = EventStore(url)
        store.count()
        store.close()
        slowest = max(slowest, time.perf_counter() - began)
    return acknowledged, slowest


def stored(url: str) -> list[str]:
    store = EventStore(url)
    with store._transaction() as connection:
        ids = [row[0] for row in connection.execute(text("SELECT id FROM motet_events"))]
        if connection.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    store.close()
    return ids


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--kills", type=int, default=1000)
    arguments.add_argument("--url", help="an empty database; a new SQLite file where not given")
    arguments.add_argument("--seed", type=int, default=0)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = asked.url or os.path.join(folder, "events.db")
        acknowledged, slowest = kill_writers(url, asked.kills, asked.seed)
        ids = stored(url)
    promised = {f"{batch}/{number}" for batch in acknowledged for number in range(BATCH)}
    whole = {id.split("/")[0] for id in ids}
    lost, duplicates, torn = promised - set(ids), len(ids) - len(set(ids)), BATCH * len(whole) - len(ids)
    print(
        f"{asked.kills} kills: {len(promised)} events acknowledged, {len(ids)} stored, {len(lost)} lost, "
        f"{duplicates} duplicates, {torn} missing of a batch; opened again within {slowest:.3f} s"
    )
    return int(bool(lost or duplicates or torn) or not promised)


if __name__ == "__main__":
    sys.exit(main())
