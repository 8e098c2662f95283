"""ScaNN's side of `benchmarks.index`: `python -m benchmarks.scann.index_side INPUTS OUTPUT`, in its own environment.

The fastest of its settings that find enough for the tuning queries: with and without a tree of 2,000 leaves, how many
of these are searched, how many candidates are compared in full. What was excluded is asked for too and then left out,
as TFRS's layer does it, and the head is computed by torch, as on motet's side.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scann.scann_ops.py import scann_ops_pybind as scann

inputs, output = map(Path, sys.argv[1:])
shape = json.loads((inputs / "shape.json").read_text())
items, queries, tuning, seen, truth = (
    np.load(inputs / f"{name}.npy") for name in ("items", "queries", "tuning", "seen", "truth")
)
head = {name: torch.from_numpy(values) for name, values in np.load(inputs / "head.npz").items()}
torch.set_num_threads(shape["threads"])
k, more = shape["retrieve"], shape["retrieve"] + shape["seen"]
LEAVES = (0, 2_000)
SHARES = (0.005, 0.01, 0.02, 0.05, 0.1)  # of the leaves
COMPARED = (700, 800, 1_000, 1_500, 2_000, 3_000, 4_000, 5_000, 6_000)


def built(leaves: int) -> Any:
    """A searcher as ScaNN's guide recommends it: a tree, asymmetric hashing, then full comparison."""
    folder = inputs / f"scann{leaves}"
    if folder.exists():
        return scann.load_searcher(str(folder))
    builder = scann.builder(items, more, "dot_product")
    if leaves:
        builder = builder.tree(num_leaves=leaves, num_leaves_to_search=leaves, training_sample_size=250_000)
    searcher = builder.score_ah(2, anisotropic_quantization_threshold=0.2).reorder(more).build()
    folder.mkdir()
    searcher.serialize(str(folder))
    return searcher


def chosen() -> dict[str, int]:
    """The quickest settings that find enough for the tuning queries; the quickest tenth of the times counts."""
    file = inputs / "scann.json"
    if file.exists():
        found: dict[str, int] = json.loads(file.read_text())
        return found
    tried = []
    for leaves in LEAVES:
        searcher = built(leaves)
        for share, compared in product(SHARES if leaves else (0.0,), COMPARED):
            setting = {"leaves": leaves, "searched": int(share * leaves), "compared": compared}
            times, shares = [], []
            for query, wanted in zip(tuning, truth, strict=True):
                start = time.perf_counter()
                rows = search(searcher, query, setting, k)
                times.append(time.perf_counter() - start)
                shares.append(np.isin(wanted, rows).mean())
            tried.append((float(np.quantile(times, 0.1)), float(np.mean(shares)), setting))
    enough = [(seconds, setting) for seconds, recall, setting in tried if recall >= shape["recall"]]
    best = min(enough, key=lambda pair: pair[0])[1]
    file.write_text(json.dumps(best))
    return best


def search(searcher: Any, query: np.ndarray[Any, Any], setting: dict[str, int], count: int) -> np.ndarray[Any, Any]:
    options = {"leaves_to_search": setting["searched"]} if setting["leaves"] else {}
    rows: np.ndarray[Any, Any] = searcher.search(query, count, setting["compared"], **options)[0]
    return rows


def main() -> None:
    """Times and answers, as JSON."""
    setting = chosen()
    searcher = built(setting["leaves"])

    def retrieve(number: int) -> np.ndarray[Any, Any]:
        rows = search(searcher, queries[number], setting, more)
        return rows[~np.isin(rows, seen[number])][:k]

    @torch.inference_mode()
    def answer(number: int) -> np.ndarray[Any, Any]:
        rows = retrieve(number)
        pairs = np.concatenate([np.broadcast_to(queries[number], (len(rows), shape["dim"])), items[rows]], 1)
        hidden = torch.from_numpy(pairs)
        for layer in range(3):
            hidden = torch.nn.functional.linear(hidden, head[f"w{layer}"], head[f"b{layer}"])
            hidden = hidden.relu() if layer < 2 else hidden
        best: np.ndarray[Any, Any] = rows[hidden[:, 0].topk(shape["k"]).indices.numpy()]
        return best

    (whole, top), (retrieval, rows) = timed(answer), timed(retrieve)
    sides = {"answer": whole, "top": top, "retrieval": retrieval, "rows": rows, "setting": setting}
    output.write_text(json.dumps(sides))


def timed(call: Callable[[int], np.ndarray[Any, Any]]) -> tuple[list[float], list[list[int]]]:
    """Seconds and answer of each question, after some that are not counted."""
    times, answers = [], []
    for number in [*range(shape["warm_up"]), *range(len(queries))]:
        start = time.perf_counter()
        answers.append(call(number).tolist())
        times.append(time.perf_counter() - start)
    return times[shape["warm_up"] :], answers[shape["warm_up"] :]


if __name__ == "__main__":
    main()
