"""A service with a million items under load, one worker: `python -m benchmarks.http`; needs wrk: `apt install wrk`.

`POST /v1/recommend`: retrieve 500 of 1,000,000 items by the approximate index, leave out the user's 200, rank with a
256-128-1 head, k = 20; another user each time. Server and load share the machine's cores, two where it was measured.

1. 200 requests a second for a minute, at a constant rate: how long answers take.
2. As many as are answered when connections ask again at once: what the service can carry.
3. Five times that: every answer is a 200, or a 503 that says when to come again; and how soon it is as before.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from benchmarks.million import SEEN, USERS, model

K, RATE, TARGET_MS, RECOVERY_S = 20, 200, 30.0, 5
SERVE = [sys.executable, "-c", "from motet.cli import main; main()", "serve"]
Side = dict[str, Any]


@contextmanager
def serving(*arguments: str | Path) -> Iterator[tuple[str, subprocess.Popen[bytes], float]]:
    """A service as a process of its own: its address, the process, and seconds until it was ready."""
    with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
        began = time.perf_counter()
        environment = os.environ | {"MOTET_TOKENS": ""}
        process = subprocess.Popen([*SERVE, *map(str, arguments), "--port", "0"], stderr=log, env=environment)
        try:
            while not (found := re.search(r"http://[\d.:]+/", Path(log.name).read_text())):
                if process.poll() is not None:
                    sys.exit(f"the service did not start: {Path(log.name).read_text()}")
                time.sleep(0.02)
            yield found[0], process, time.perf_counter() - began
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def wrk(address: str, rate: float, seconds: float, connections: int) -> Side:
    """Ask for some seconds."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "15s", "-s", "benchmarks/http.lua"]
    done = subprocess.run([*command, address, "--", str(rate), str(USERS), str(K)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"wrk failed: {done.stdout}{done.stderr}")
    side: Side = json.loads(done.stdout.splitlines()[-1])
    return side


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Of all cores, since it began."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def row(name: str, side: Side) -> str:
    """One line of the table."""
    bad = side["others"] + side["broken"] + side["timeouts"] + side["without_retry_after"]
    per_second = side["answered"] / side["seconds"]
    return (
        f"| {name} | {per_second:.0f} | {side['answered']:,} | {side['refused']:,} | {bad} | {side['p50_ms']:.1f} | "
        f"{side['p99_ms']:.1f} | {side['p999_ms']:.1f} | {side['max_ms']:.0f} |"
    )


def check(address: str) -> None:
    """An answer is what is asked for: k items, none of those the user had."""
    with httpx.Client(base_url=address, timeout=30) as http:
        had = {event["id"] for event in http.get("/v1/users/user-00007/history").json()["items"]}
        answer = http.post("/v1/recommend", json={"user": "user-00007", "k": K}).json()
    items = {item["id"] for item in answer["results"][0]["items"]}
    assert (len(had), len(items), had & items) == (SEEN, K, set()), answer


def memory_mb(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """What a process has of its own, and the most that it had in memory, files that are mapped included."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    own, most = (float(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024 for name in ("RssAnon", "VmHWM"))  # type: ignore[index]
    return own, most


def recovered(address: str) -> int | None:
    """Seconds after the load until a second's p99 is within the target, at a tenth of the rate."""
    for second in range(1, 2 * RECOVERY_S + 1):
        side = wrk(address, RATE / 10, 1, 4)
        if side["p99_ms"] <= TARGET_MS and not side["refused"]:
            return second
    return None


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--vectors", choices=("clusters", "gaussian"), default="clusters")
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "motet-million")
    arguments.add_argument("--seconds", type=int, default=60, help="of the constant rate; a third of it of overload")
    arguments.add_argument("--parts", nargs="*", choices=("rate", "overload"), default=["rate", "overload"])
    asked = arguments.parse_args()
    folder = model(asked.vectors, asked.folder)
    with (
        tempfile.TemporaryDirectory() as scratch,
        serving(folder, "--events", f"{scratch}/events.db") as (address, process, started),
    ):
        check(address)
        wrk(address, 50, 3, 8)
        print("| requests | answered a second | 200 | 503 | bad | p50, ms | p99, ms | p99.9, ms | longest, ms |")
        print("|---|---|---|---|---|---|---|---|---|", flush=True)
        spent = 0.0
        if "rate" in asked.parts:
            spent = cpu_seconds(process)
            side = wrk(address, RATE, asked.seconds, 64)
            spent = 1000 * (cpu_seconds(process) - spent) / max(1, side["answered"])
            print(row(f"{RATE} a second", side), flush=True)
            time.sleep(1)  # what wrk left unread is answered
        if "overload" in asked.parts:
            carried = wrk(address, 0, asked.seconds // 6, 16)
            print(row("16 at a time", carried), flush=True)
            time.sleep(1)
            rate = 5 * carried["answered"] / carried["seconds"]
            print(row(f"{rate:.0f} a second", wrk(address, rate, asked.seconds // 3, 256)), flush=True)
            print(f"\nas before within {recovered(address)} s of the overload")
        if "rate" in asked.parts:
            print(f"\n{spent:.1f} ms of processor time an answer at {RATE} a second")
        own, most = memory_mb(process)
        print(f"\nready after {started:.1f} s; {own:,.0f} MB of its own, {most:,.0f} MB at most with mapped files")


if __name__ == "__main__":
    main()
