"""One request in process: retrieve 500 of a million, rank, exclude 200 seen, k = 20: `python -m benchmarks.index DIR`.

Beside TensorFlow Recommenders' `BruteForce` and `ScaNN`, and beside ScaNN's own searcher, on the same vectors and head
(`make bench-index` makes their environments), each side in a process of its own, on two cores. What is built lies in
DIR and is kept: a second run only measures. `gaussian`: independent normal numbers, the hardest case for any index.
`clusters`: 2,000 normal centres with noise of .6 around them, where queries lie as items do.

motet's head is the product's own, which multiplies the user's vector once a request; the others' heads read the
concatenated pairs.

Memory is told as a multiple of that of the vectors, pages of mapped files included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

OTHERS = {
    "TFRS `BruteForce`": (os.environ.get("TFRS_PYTHON", ".venv-tfrs/bin/python"), "benchmarks.tfrs.index_side"),
    "TFRS `ScaNN`": (os.environ.get("TFRS_SCANN_PYTHON", ".venv-tfrs-scann/bin/python"), "benchmarks.tfrs.scann_side"),
    "ScaNN without TFRS": (os.environ.get("SCANN_PYTHON", ".venv-scann/bin/python"), "benchmarks.scann.index_side"),
}
SHAPE = {
    "items": 1_000_000,
    "dim": 64,
    "retrieve": 500,
    "seen": 200,
    "k": 20,
    "queries": 200,
    "tuning": 200,
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


def made(kind: str, folder: Path) -> None:
    """Indexes and their settings, as files; what is there already is kept."""
    import torch

    from motet.index import ExactIndex, save
    from motet.index.check import fitted

    if not (folder / "shape.json").exists():
        folder.mkdir(parents=True)
        inputs(kind, folder)
    items, tuning = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("items", "tuning"))
    if not (folder / "approximate").exists():
        exact = ExactIndex(items)
        np.save(folder / "truth.npy", exact.search(tuning, SHAPE["retrieve"]).rows.numpy())
        save(exact, folder / "exact")
        index = fitted(items, tuning, SHAPE["retrieve"], recall=RECALL, truth=exact)
        print(f"{kind}: {index.probes} cells are looked at, {index.shortlist} rows compared in full", file=sys.stderr)
        save(index, folder / "approximate")


def motet_side(folder: Path) -> dict[str, Side]:
    """Both indexes and the head, in this process."""
    import torch

    from motet.index import Index, load
    from motet.layers import MLP

    torch.set_num_threads(SHAPE["threads"])
    items, queries, seen = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("items", "queries", "seen"))
    head = MLP(2 * SHAPE["dim"], hidden=(256, 128), out_dim=1)  # as in `Rating`
    for name, values in np.load(folder / "head.npz").items():
        layer, part = head.layers[int(name[1:])], {"w": "weight", "b": "bias"}[name[0]]
        getattr(layer, part).data = torch.from_numpy(values)

    def retrieve(index: Index, number: int) -> torch.Tensor:
        question = slice(number, number + 1)
        return index.search(queries[question], SHAPE["retrieve"], exclude=[seen[number]]).rows[0]

    @torch.inference_mode()
    def answer(index: Index, number: int) -> list[int]:
        rows = retrieve(index, number)
        scores = head(queries[number : number + 1], items[rows])[:, 0]
        return rows[scores.topk(SHAPE["k"]).indices].tolist()

    results: dict[str, Side] = {}
    for name in ("exact", "approximate"):
        index = load(folder / name)
        whole, top = timed(answer, index)
        retrieval, rows = timed(retrieve, index)
        results[name] = {"answer": whole, "top": top, "retrieval": retrieval, "rows": [row.tolist() for row in rows]}
    return results


def held(file: Path) -> None:
    """What an index costs a process of its own: seconds to load and to answer, memory beyond that of the libraries."""
    import torch

    from motet.heap import give_back
    from motet.index import ApproximateIndex, ExactIndex, load
    from motet.index.rounded import Rounded

    torch.set_num_threads(SHAPE["threads"])
    query = torch.from_numpy(np.load(file.parent / "queries.npy"))[:1]
    few = torch.randn(1 << 15, SHAPE["dim"])
    for index in (ExactIndex.of(few, Rounded.of(few)), ApproximateIndex(few, cells=8, probes=2, shortlist=128)):
        index.search(few[:1], 20)  # the pages of the libraries' code are not those of the index
    del few, index
    give_back()  # as loading does
    Path("/proc/self/clear_refs").write_text("5")  # the largest size so far is counted anew
    before = _memory()
    start = time.perf_counter()
    index = load(file)
    index.search(query, SHAPE["retrieve"])
    seconds = time.perf_counter() - start
    vectors = index.vectors.numel() * 4 / 1e6
    own, shared, most = ((now - then) / vectors for now, then in zip(_memory(), before, strict=True))
    print(
        f"| {file.name} | {seconds:.2f} | {vectors:.0f} | {own:.3f} | {shared:.3f} | {own + shared:.3f} | {most:.3f} |"
    )


def _memory() -> tuple[float, float, float]:
    """Megabytes of its own, of files that are mapped, and the largest size so far."""
    told = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    own, mapped, most = (int(told[name].split()[0]) * 1024 / 1e6 for name in ("RssAnon", "RssFile", "VmHWM"))
    return own, mapped, most


def timed(call: Callable[..., Any], index: object) -> tuple[list[float], list[Any]]:
    """Seconds and answer of each question, after some that are not counted."""
    times, answers = [], []
    for number in [*range(SHAPE["warm_up"]), *range(SHAPE["queries"])]:
        start = time.perf_counter()
        answers.append(call(index, number))
        times.append(time.perf_counter() - start)
    return times[SHAPE["warm_up"] :], answers[SHAPE["warm_up"] :]


def other_side(folder: Path, python: str, module: str) -> Side | None:
    """The same by another library, where its environment has been made."""
    if not Path(python).exists():
        return None
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    answer = folder / f"{module}.json"
    done = subprocess.run([python, "-m", module, folder, answer], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{module} failed:\n{done.stderr[-4000:]}")
    side: Side = json.loads(answer.read_text())
    return side


def row(kind: str, name: str, side: Side, truth: Side) -> str:
    """One line of the table; `shared` is the share of answers that hold the items of the exact index's."""
    times = [1e3 * float(value) for part in ("retrieval", "answer") for value in np.quantile(side[part], [0.5, 0.99])]
    recall, shared = (
        np.mean([len({*a} & {*b}) / len(b) for a, b in zip(side[part], truth[part], strict=True)])
        for part in ("rows", "top")
    )
    return f"| {kind} | {name} | {' | '.join(f'{value:.2f}' for value in times)} | {recall:.3f} | {shared:.3f} |"


def main() -> None:
    """The tables."""
    where = Path(sys.argv[1])
    if where.is_file():
        held(where)
        return
    kinds = sys.argv[2:] or KINDS
    for kind in kinds:
        made(kind, where / kind)
    print("| vectors | index | retrieval p50, ms | p99 | request p50, ms | p99 | recall@500 | top 20 shared |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for kind in kinds:
        folder = where / kind
        others, own = {name: other_side(folder, *command) for name, command in OTHERS.items()}, motet_side(folder)
        for label, side in (others | own).items():
            if side is not None:
                print(row(kind, label, side, own["exact"]), flush=True)
            if side and "setting" in side:
                print(f"{label}: {side['setting']}", file=sys.stderr)
    print("\n| index | loaded and asked in, s | vectors, MB | own memory | mapped | both | most |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in ("exact", "approximate"):
        subprocess.run([sys.executable, "-m", "benchmarks.index", where / kinds[0] / name], check=True)


if __name__ == "__main__":
    main()
