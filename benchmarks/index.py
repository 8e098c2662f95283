"""One request in process: retrieve 500 of a million, rank, exclude 200 seen, k = 20: `python -m benchmarks.index`.

Beside TensorFlow Recommenders' `BruteForce` on the same vectors and head (`make bench-tfrs` makes its environment),
each side in a process of its own, on two cores. `gaussian`: independent normal numbers, the hardest case for any index.
`clusters`: 2,000 normal centres with noise of .6 around them, where queries lie as items do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

TFRS_PYTHON = os.environ.get("TFRS_PYTHON", ".venv-tfrs/bin/python")
SHAPE = {
    "items": 1_000_000,
    "dim": 64,
    "retrieve": 500,
    "seen": 200,
    "k": 20,
    "queries": 200,
    "tuning": 100,
    "warm_up": 20,
    "threads": 2,
}
RECALL = 0.96  # asked for of queries of their own, so that .95 holds of those that are timed
KINDS = ("gaussian", "clusters")
Side = dict[str, Any]


def inputs(kind: str, folder: Path) -> None:
    """Vectors, questions and the head, as both sides read them."""
    draw = np.random.default_rng(0)
    items, queries, dim = SHAPE["items"], SHAPE["queries"] + SHAPE["tuning"], SHAPE["dim"]
    noise = draw.standard_normal((items + queries, dim), dtype=np.float32)
    if kind == "clusters":
        centres = draw.standard_normal((2_000, dim), dtype=np.float32)
        noise = centres[draw.integers(0, 2_000, items + queries)] + np.float32(0.6) * noise
    np.save(folder / "items.npy", noise[:items])
    np.save(folder / "queries.npy", noise[items : items + SHAPE["queries"]])
    np.save(folder / "tuning.npy", noise[items + SHAPE["queries"] :])
    np.save(folder / "seen.npy", np.stack([draw.choice(items, SHAPE["seen"], replace=False) for _ in range(queries)]))
    widths = (2 * dim, 256, 128, 1)
    layers = {}
    for number, (wide, narrow) in enumerate(pairwise(widths)):
        layers[f"w{number}"] = (draw.standard_normal((narrow, wide)) / wide**0.5).astype(np.float32)
        layers[f"b{number}"] = np.zeros(narrow, dtype=np.float32)
    np.savez(folder / "head.npz", **layers)
    (folder / "shape.json").write_text(json.dumps(SHAPE))


def motet_side(folder: Path) -> dict[str, Side]:
    """Both indexes and the head, in this process."""
    import torch

    from motet.index import ApproximateIndex, ExactIndex, Index
    from motet.index.check import tune

    torch.set_num_threads(SHAPE["threads"])
    items, queries, tuning, seen = (
        torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("items", "queries", "tuning", "seen")
    )
    layers = {name: torch.from_numpy(value) for name, value in np.load(folder / "head.npz").items()}

    def retrieve(index: Index, number: int) -> torch.Tensor:
        question = slice(number, number + 1)
        return index.search(queries[question], SHAPE["retrieve"], exclude=list(seen[question])).rows[0]

    @torch.inference_mode()
    def answer(index: Index, number: int) -> list[int]:
        rows = retrieve(index, number)
        hidden = torch.cat([queries[number].expand(len(rows), -1), items[rows]], 1)
        for layer in range(3):
            hidden = torch.nn.functional.linear(hidden, layers[f"w{layer}"], layers[f"b{layer}"])
            hidden = hidden.relu() if layer < 2 else hidden
        return rows[hidden[:, 0].topk(SHAPE["k"]).indices].tolist()

    results: dict[str, Side] = {}
    truth: list[set[int]] = []
    for name, build in (("exact", ExactIndex), ("approximate", ApproximateIndex)):
        start = time.perf_counter()
        index = build(items)
        built = time.perf_counter() - start
        if isinstance(index, ApproximateIndex):
            tune(index, tuning, SHAPE["retrieve"], recall=RECALL, truth=ExactIndex(items))
            print(f"{index.shortlist} rows are compared in full", file=sys.stderr)
        side: Side = {"built": built}
        side["answer"], side["top"] = timed(answer, index)
        side["retrieval"], rows = timed(retrieve, index)
        found = [{*line.tolist()} for line in rows]
        truth = truth or found
        side["recall"] = float(np.mean([len(a & b) / len(b) for a, b in zip(found, truth, strict=True)]))
        results[name] = side
    return results


def timed(call: Callable[..., Any], index: object) -> tuple[list[float], list[Any]]:
    """Seconds and answer of each question, after some that are not counted."""
    times, answers = [], []
    for number in [*range(SHAPE["warm_up"]), *range(SHAPE["queries"])]:
        start = time.perf_counter()
        answers.append(call(index, number))
        times.append(time.perf_counter() - start)
    return times[SHAPE["warm_up"] :], answers[SHAPE["warm_up"] :]


def tfrs_side(folder: Path) -> Side | None:
    """The same by TFRS, where its environment has been made."""
    if not Path(TFRS_PYTHON).exists():
        return None
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [TFRS_PYTHON, "-m", "benchmarks.tfrs.index_side", str(folder), str(folder / "tfrs.json")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"TFRS failed:\n{done.stderr[-4000:]}")
    side: Side = json.loads((folder / "tfrs.json").read_text())
    return side


def row(kind: str, name: str, side: Side, truth: Side) -> str:
    """One line of the table; `same` is the share of answers that hold the items of the exact index's."""
    p50, p99 = np.quantile(side["answer"], [0.5, 0.99]) * 1e3
    middle = np.median(side["retrieval"]) * 1e3
    same = np.mean([len({*a} & {*b}) / len(b) for a, b in zip(side["top"], truth["top"], strict=True)])
    recall, built = f"{side.get('recall', 1.0):.3f}", f"{side['built']:.1f}" if "built" in side else ""
    return f"| {kind} | {name} | {middle:.2f} | {p50:.2f} | {p99:.2f} | {recall} | {same:.3f} | {built} |"


def main() -> None:
    """The table."""
    print(
        "| vectors | index | retrieval p50, ms | request p50, ms | p99, ms | recall@500 | top 20 shared | built in, s |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for kind in sys.argv[1:] or KINDS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            inputs(kind, folder)
            tfrs = tfrs_side(folder)
            ours = motet_side(folder)
            for label, side in {"TFRS `BruteForce`": tfrs, **ours}.items():
                if side is not None:
                    print(row(kind, label, side, ours["exact"]), flush=True)


if __name__ == "__main__":
    main()
