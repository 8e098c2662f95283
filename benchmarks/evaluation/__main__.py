"""Evaluation beside other libraries: `python -m benchmarks.evaluation [small] [lists] [factors] [hits] [learned]`.

ranx, RecTools, RecBole and recometrics.
Every library in a virtual environment of its own (`make bench-evaluation` makes them), every run a process of its own,
alone on the machine, on 2 threads. `small` compares figures, digit by digit; `lists` times a million held-out rows on
lists that are there already; `factors` times what starts from vectors: scores of 100,000 items, without what users had.
`hits` does so again for vectors that find more of what was held out, where fewer users can be given up early, `learned`
for those that a model learned in a shop of 80,000 items.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ITEMS, USERS, TENTH = 100_000, 200_000, 20_000
PULL = 0.25  # of the held-out items on their user's vector: a tenth of the users have one of five among their first ten
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"}
WHERE = os.environ.get("EVALUATION_VENVS", ".venv-{}/bin/python")
Result = dict[str, Any]


class Side(NamedTuple):
    """A library and what it can start from."""

    name: str
    part: str


OURS = ("factors", "top", "every")
SEARCH = [*(Side("motet", part) for part in ("short", *OURS)), Side("rectools", "factors")]
SMALL = [
    Side(name, part)
    for part, names in (("factors", ("recometrics", "rectools", "recbole")), ("lists", ("rectools", "ranx")))
    for name in names
]


def run(side: Side, folder: Path) -> Result:
    """One run, as a process."""
    python = sys.executable if side.name == "motet" else WHERE.format(side.name)
    output = folder / "result.json"
    arguments = [python, "-m", f"benchmarks.evaluation.{side.name}_side", side.part, str(folder), str(output)]
    done = subprocess.run(arguments, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{side.name} failed in {side.part}:\n{done.stderr[-3000:]}")
    result: Result = json.loads(output.read_text())
    print(f"  {side.name}, {side.part}: {result['seconds']:.2f} s", file=sys.stderr, flush=True)
    return result


def inputs(folder: Path, users: int, items: int, pull: float = PULL) -> None:
    """Draw what all sides read."""
    sizes = [str(folder), str(users), str(items), str(pull)]
    subprocess.run([sys.executable, "-m", "benchmarks.evaluation.prepare", *sizes], check=True)


def head(*columns: str) -> None:
    """The first lines of a table."""
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)


def small(folder: Path) -> None:
    """2,000 users among 5,000 items: the largest difference of any figure."""
    inputs(folder, 2_000, 5_000)
    head("library, from", "recall@10", "precision@10", "ndcg@10", "mrr@10", "largest difference")
    ours = {part: run(Side("motet", part), folder)["figures"] for part in (*OURS, "lists")}
    for side in (*(Side("motet", part) for part in OURS), *SMALL):
        found = ours[side.part] if side.name == "motet" else run(side, folder)["figures"]
        names = ("recall", "precision", "ndcg", "mrr")
        same = ours["lists" if side.part == "lists" else "factors"]
        gap = max(abs(found[name] - same[name]) for name in names)
        cells = " | ".join(f"{found[name]:.12f}" for name in names)
        print(f"| {side.name}, {side.part} | {cells} | {gap:.0e} |", flush=True)


def table(folder: Path, sides: list[Side]) -> None:
    """Seconds of each side on the same rows."""
    head("library, from", "held-out rows", "seconds", "rows/s", "times motet's", "peak memory, MB")
    ours = 0.0
    for side in sides:
        found = run(side, folder)
        ours = ours or found["seconds"]
        ratio = f"{found['seconds'] / ours:.1f}"
        cells = f"{found['seconds']:.2f} | {found['rows'] / found['seconds']:,.0f} | {ratio} | {found['peak_mb']:.0f}"
        print(f"| {side.name}, {side.part} | {found['rows']:,} | {cells} |", flush=True)


def lists(folder: Path) -> None:
    """A million rows, 200,000 lists of 10."""
    inputs(folder, USERS, ITEMS)
    table(folder, [Side(name, "lists") for name in ("motet", "rectools", "ranx")])


def factors(folder: Path) -> None:
    """A tenth of the rows beside the others, which need minutes for all; then all of them, beside RecTools alone."""
    inputs(folder, TENTH, ITEMS)
    table(folder, [*SEARCH, Side("recbole", "factors"), Side("recometrics", "factors")])
    inputs(folder, USERS, ITEMS)
    parts = ("short", "factors", "whole")
    table(folder, [*(Side("motet", part) for part in parts), Side("rectools", "factors")])


def hits(folder: Path) -> None:
    """Beside RecTools, where more users have a held-out item among their first ten."""
    for pull in (0.25, 0.4, 0.6, 1.0):
        print(f"\npull {pull}\n", flush=True)
        inputs(folder, TENTH, ITEMS, pull)
        table(folder, SEARCH)


def learned(folder: Path) -> None:
    """Beside RecTools, with vectors that a model learned."""
    subprocess.run([sys.executable, "-m", "benchmarks.evaluation.learned", str(folder)], check=True)
    table(folder, SEARCH)


PARTS = {"small": small, "lists": lists, "factors": factors, "hits": hits, "learned": learned}


def main() -> None:
    """Run the parts that are named, or all."""
    wanted = sys.argv[1:] or list(PARTS)
    if unknown := [part for part in wanted if part not in PARTS]:
        sys.exit(f"{unknown[0]!r} is no part; parts: {', '.join(PARTS)}")
    for part in wanted:
        print(f"\n### {part}\n", flush=True)
        with tempfile.TemporaryDirectory() as name:
            PARTS[part](Path(name))


if __name__ == "__main__":
    main()
