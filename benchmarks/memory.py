"""What a service of a million items holds, and how soon it is ready: `python -m benchmarks.memory`; Linux.

Memory is what a process has of its own (anonymous pages) and what it has mapped of the files of models and workers,
those pages of them that are in memory; the code of libraries is not counted. From both the same of a service of 10,000
items is taken away: that is what the interpreter, torch and the other libraries hold. What is left is told as a
multiple of the item vectors. Each service is measured after requests: recommendations for known users, for strangers
with a history, similar items and the map. Pages that several workers have mapped are counted once for all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx
from benchmarks.http import serving
from benchmarks.million import DIM, ITEMS, USERS, model

from motet import Recommender
from motet.artifact import saved
from motet.heap import give_back

FEW = 10_000  # items of the service that is taken away; as many as an index has codes for
STARTS = 5
SETTLED_S = 12  # a service gives back what requests have freed every ten seconds
MB = 1e6


class Held(NamedTuple):
    """Bytes of the processes of a service, each alone.

    Attributes:
        own: Of each process.
        mapped: Resident pages of models' files in each.
        shared: The same, pages of several processes counted once.
        most: The largest size of each so far, libraries included.
    """

    own: list[float]
    mapped: list[float]
    shared: float
    most: list[float]


def held(pid: int) -> Held:
    """Of the processes that answer: a service's own, or its workers."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pids = [child for child in children if "motet-worker" in _name(child) or "spawn_main" in _name(child)] or [str(pid)]
    own, mapped, most, shared = [], [], [], 0.0
    for each in pids:
        parts = [_mapping(part) for part in _mappings(Path(f"/proc/{each}/smaps").read_text())]
        files = [part for part in parts if re.search(r"\.safetensors|/arrays/", part[0])]
        own.append(sum(part[1] for part in parts))
        mapped.append(sum(part[2] for part in files))
        shared += sum(part[3] for part in files)
        most.append(_number(Path(f"/proc/{each}/status").read_text(), "VmHWM"))
    return Held(own, mapped, shared, most)


def _name(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _mappings(smaps: str) -> list[str]:
    return re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", smaps)


def _mapping(part: str) -> tuple[str, float, float, float]:
    """Name, bytes of the process's own, bytes of the file, and these divided among the processes that have them."""
    own, all_of_it = _number(part, "Anonymous"), _number(part, "Rss")
    return part.partition("\n")[0], own, all_of_it - own, _number(part, "Pss") - own


def _number(text: str, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return 1024 * float(found[1]) if found else 0.0


def ask(address: str, requests: int) -> None:
    """Questions of every kind, most of them for known users."""
    with httpx.Client(base_url=address, timeout=60) as http:
        for number in range(requests):
            body: dict[str, object] = {"user": f"user-{number % USERS:05}", "k": 20}
            if number % 10 == 9:
                body = {"user": "nobody", "k": 20, "history": [f"item-{number:07}"]}
            http.post("/v1/recommend", json=body).raise_for_status()
            if number % 50 == 49:
                http.post("/v1/similar", json={"item": f"item-{number:07}"}).raise_for_status()
        http.get("/v1/map").raise_for_status()


def measured(folder: Path, workers: int, requests: int = 0) -> tuple[float, Held]:
    """A service: seconds until it was ready, and what it holds after requests."""
    with tempfile.TemporaryDirectory() as scratch:
        arguments = (folder, "--events", f"{scratch}/events.db", "--workers", workers)
        with serving(*map(str, arguments)) as (address, process, seconds):
            if requests:
                ask(address, requests)
                time.sleep(SETTLED_S)
            return seconds, held(process.pid)


def alone(folder: Path, requests: int) -> tuple[float, Held]:
    """`Recommender.load` in a process of its own: its seconds, and what the process holds after questions."""
    command = [sys.executable, "-m", "benchmarks.memory", "--load", str(folder), "--requests", str(requests)]
    seconds, *figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return seconds, Held(*figures)


def load(folder: Path, requests: int) -> None:
    """What `alone` runs."""
    import torch

    torch.set_num_threads(1)
    began = time.perf_counter()
    recommender = Recommender.load(folder)
    seconds = time.perf_counter() - began
    for number in range(requests):
        recommender.recommend(f"user-{number % USERS:05}", 20)
        if number % 10 == 9:
            recommender.recommend("nobody", 20, histories={"nobody": [f"item-{number:07}"]})
        if number % 50 == 49:
            recommender.similar_items(f"item-{number:07}", 10)
    give_back()  # as a service does every ten seconds
    print(json.dumps([seconds, *held(os.getpid())]))


def row(name: str, starts: list[float], now: Held, base: Held, vectors: float) -> str:
    """One line of the table."""
    each: Callable[[list[float]], float] = lambda values: sum(values) / len(values)  # noqa: E731
    own, mapped = each(now.own) - each(base.own), each(now.mapped) - each(base.mapped)
    whole = sum(now.own) - len(now.own) * each(base.own) + now.shared - base.shared
    most = each(now.most) - each(base.most)
    figures = (own, mapped, own + mapped, whole, most)
    seconds = f"{median(starts):.2f} ({min(starts):.2f} to {max(starts):.2f})"
    return f"| {name} | {seconds} | {' | '.join(f'{figure / vectors:.3f}' for figure in figures)} |"


def unindexed(folder: Path) -> Path:
    """The same model without its index: its searches are exact."""
    place = folder.with_name("exact")
    if not place.exists():
        found = saved.load(folder)
        Recommender(found.model, found.log, vectors=found.vectors).save(place)
    return place


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "motet-million")
    arguments.add_argument("--load", type=Path, help="a saved model: what loading it alone takes, as JSON")
    arguments.add_argument("--requests", type=int, default=500)
    arguments.add_argument("--starts", type=int, default=STARTS)
    arguments.add_argument("--index", choices=("approximate", "exact"), default="approximate")
    arguments.add_argument("--workers", nargs="*", type=int, default=[1, 2])
    asked = arguments.parse_args()
    if asked.load is not None:
        load(asked.load, asked.requests)
        return
    folder, few = model("clusters", asked.folder), model("clusters", asked.folder / f"{FEW}", items=FEW)
    if asked.index == "exact":
        folder, few = unindexed(folder), unindexed(few)
    vectors = 4.0 * DIM * (ITEMS - FEW)
    print("| workers | ready after, s | own | mapped | both | all workers | most at any time |")
    print("|---|---|---|---|---|---|---|", flush=True)
    _, base = alone(few, asked.requests)
    seconds, now = alone(folder, asked.requests)
    print(row("none: `Recommender.load`", [seconds], now, base, vectors), flush=True)
    for workers in asked.workers:
        _, base = measured(few, workers, asked.requests)
        first, now = measured(folder, workers, asked.requests)
        starts = [first, *(measured(folder, workers)[0] for _ in range(asked.starts - 1))]
        print(row(str(workers), starts, now, base, vectors), flush=True)
        bases = ", ".join(f"{value / MB:.0f}" for value in base.own)
        print(f"  of 10,000 items: {bases} MB of its own, {base.shared / MB:.0f} MB mapped", flush=True)


if __name__ == "__main__":
    main()
