"""motet beside TensorFlow Recommenders: `python -m benchmarks.tfrs [parity] [tutorial] [large] [ranks]`.

Both sides read the same files. Each run is a process of its own, alone on the machine, the sides in turn; a figure is
the median of three runs. This process imports neither library, so that the memory of a side is that side's alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.measure import MODELS

RUNS = 3
TFRS_PYTHON = os.environ.get("TFRS_PYTHON", ".venv-tfrs/bin/python")
# Processors only, on both sides; TFRS works with Keras 2 alone.
ENVIRONMENT = os.environ | {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
SIDES = {
    "tfrs": (TFRS_PYTHON, "benchmarks.tfrs.tfrs_side"),
    "motet": (sys.executable, "benchmarks.tfrs.motet_side"),
}
Result = dict[str, Any]


class Row(NamedTuple):
    """One line of the table."""

    figure: str
    tfrs: str = ""
    motet: str = ""
    ratio: str = ""
    target: str = ""
    bare: str = ""


def run(side: str, part: str, folder: Path) -> Result:
    """One run of one side, as a process; `process_s` is all of it, from start to end, imports included."""
    python, module = SIDES[side]
    output = folder / "result.json"
    start = time.perf_counter()
    done = subprocess.run(
        [python, "-m", module, part, str(folder), str(output)], env=ENVIRONMENT, capture_output=True, text=True
    )
    taken = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{side} failed in {part}:\n{done.stderr[-4000:]}")
    result: Result = json.loads(output.read_text())
    result["process_s"] = taken - result.get("not_counted", 0.0)
    print(f"  {part}: {side} took {result['process_s']:.1f} s", file=sys.stderr, flush=True)
    return result


class Comparison(NamedTuple):
    """The results of all runs, by side."""

    tfrs: list[Result]
    motet: list[Result]

    def medians(self, figure: Callable[[Result], float]) -> tuple[float, float]:
        """The median of a figure over the runs of each side."""
        tfrs, motet = (median(figure(result) for result in side) for side in self)
        return tfrs, motet

    def bare(self, seconds: Callable[[Result], float]) -> str:
        """The share of motet's seconds that the bare matrix products take."""
        return f"{median(result['bare_seconds'] / seconds(result) for result in self.motet):.0%}"


def compare(part: str, folder: Path, runs: int = RUNS) -> Comparison:
    """Runs of TFRS and of motet, in turn."""
    pairs = [(run("tfrs", part, folder), run("motet", part, folder)) for _ in range(runs)]
    tfrs, motet = zip(*pairs, strict=True)
    return Comparison(list(tfrs), list(motet))


def parity(folder: Path) -> list[Row]:
    """Both losses of 30 steps from the same weights on the same batches."""
    (tfrs,), (motet,) = compare("parity", folder, runs=1)
    rows = []
    for name in ("rating", "retrieval"):
        gap = max(abs(ours / theirs - 1) for theirs, ours in zip(tfrs[name], motet[name], strict=True))
        last = (f"{side[name][-1]:.6g}" for side in (tfrs, motet))
        target = "at most 1e-4" if gap <= 1e-4 else "at most 1e-4: MISSED"
        figure = f"{name} loss, step {len(tfrs[name])}; largest gap of all steps"
        rows.append(Row(figure, *last, f"{gap:.1e}", target))
    return rows


def tutorial(folder: Path) -> list[Row]:
    """Fit and evaluate of the tutorial's three models."""
    sides = compare("tutorial", folder)
    lean = Comparison([run("tfrs", "tutorial_lean", folder) for _ in range(RUNS)], sides.motet)
    quality = [
        Row(f"{name}: {metric}", *(f"{figure:.3f}" for figure in sides.medians(metric_of(name, metric))))
        for name in MODELS
        for metric in ("RMSE", "top-100")
    ]
    return [
        faster(
            "three models, fit and evaluate, s",
            *sides.medians(fit_and_evaluate),
            "at least 60 x",
            sides.bare(fit_and_evaluate),
        ),
        faster("three models, whole process, s", *sides.medians(itemgetter("process_s")), "at least 25 x"),
        smaller("three models, peak memory, MB", *sides.medians(itemgetter("peak_mb")), "at most 0.3"),
        faster("the same, TFRS without training metrics, s", *lean.medians(fit_and_evaluate)),
        *quality,
    ]


def fit_and_evaluate(result: Result) -> float:
    """Seconds of both together."""
    return float(result["seconds"]["fit"] + result["seconds"]["evaluate"])


def metric_of(model: str, metric: str) -> Callable[[Result], float]:
    """Reads one metric of one model."""
    return lambda result: result["metrics"][model][metric]


def large(folder: Path) -> list[Row]:
    """Training where little repeats."""
    sides = compare("large", folder)
    tfrs, motet = sides.medians(itemgetter("rows_per_s"))
    ratio, bare = f"{motet / tfrs:.2f} x", sides.bare(itemgetter("seconds"))
    return [
        Row("large log, training rows/s", f"{tfrs:.0f}", f"{motet:.0f}", ratio, "at least 2.5 x", bare),
        smaller("large log, peak memory, MB", *sides.medians(itemgetter("peak_mb"))),
    ]


def ranks(folder: Path) -> list[Row]:
    """The ranks of 4,096 positives among 100,000 items."""
    sides = compare("ranks", folder)
    motet, peak, error = (median(result[key] for result in sides.motet) for key in ("seconds", "peak_mb", "error"))
    rows = []
    for form in ("data set", "brute force"):
        seconds, memory = (median(result[key][form] for result in sides.tfrs) for key in ("seconds", "peak_mb"))
        target = "at least 7 x" if form == "data set" else ""
        rows.append(faster(f"4,096 ranks, s (TFRS: {form})", seconds, motet, target, sides.bare(itemgetter("seconds"))))
        rows.append(smaller(f"4,096 ranks, peak memory, MB (TFRS: {form})", memory, peak))
    errors = (f"{figure:.1e}" for figure in (sides.tfrs[0]["error"], error))
    return [*rows, Row("4,096 ranks, largest error of a hit rate", *errors)]


def faster(figure: str, tfrs: float, motet: float, target: str = "", bare: str = "") -> Row:
    """A line that compares seconds."""
    return Row(figure, f"{tfrs:.2f}", f"{motet:.2f}", f"{tfrs / motet:.1f} x", target, bare)


def smaller(figure: str, tfrs: float, motet: float, target: str = "") -> Row:
    """A line that compares megabytes."""
    return Row(figure, f"{tfrs:.0f}", f"{motet:.0f}", f"{motet / tfrs:.2f}", target)


PARTS = {"parity": parity, "tutorial": tutorial, "large": large, "ranks": ranks}


def main() -> None:
    """Run the parts that are named, or all; print one table."""
    wanted = sys.argv[1:] or list(PARTS)
    if unknown := [part for part in wanted if part not in PARTS]:
        sys.exit(f"{unknown[0]!r} is no part; parts: {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "benchmarks.tfrs.prepare", name], check=True)
        rows = [row for part in wanted for row in PARTS[part](folder)]
    print("| figure | TFRS | motet | ratio | target | of bare products |\n|---|---|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    if any("MISSED" in row.target for row in rows):
        sys.exit("the losses differ by more than 1e-4")


if __name__ == "__main__":
    main()
