"""motet's side: figures from vectors by ranks up to 10, by all ranks and by lists, from lists, and by `evaluate`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from benchmarks.measure import command, peak_mb

from motet import EventLog, FeatureTower, Model, Schema, evaluate
from motet.data.batch import Batch
from motet.data.entities import Entities
from motet.data.history import History
from motet.evaluation import served
from motet.evaluation.demand import Demand
from motet.index import ExactIndex
from motet.metrics import MRR, NDCG, Dot, Pairs, Precision, Recall, ranks
from motet.tasks import Retrieval

K = 10


def _read(folder: Path, *names: str) -> list[torch.Tensor]:
    return [torch.from_numpy(np.load(folder / f"{name}.npy")) for name in names]


def factors(folder: Path) -> dict[str, Any]:
    """Exact ranks up to 10 of held-out items among what their users had not had, and what metrics make of them."""
    return _ranked(folder, K)


def every(folder: Path) -> dict[str, Any]:
    """The same with the rank of every held-out item."""
    return _ranked(folder, None)


def _ranked(folder: Path, within: int | None) -> dict[str, Any]:
    user, item, test, seen = _read(folder, "user", "item", "test", "seen")
    start = time.perf_counter()
    found = ranks(Dot(user, item), Pairs(*test), candidates=len(item), exclude=Pairs(*seen), within=within)
    metrics = {"recall": Recall(K), "precision": Precision(K), "ndcg": NDCG(K), "mrr": MRR(K)}
    for metric in metrics.values():
        metric.update(found, test[0])
    figures = {name: metric.compute() for name, metric in metrics.items()}
    return {"seconds": time.perf_counter() - start, "figures": figures, "rows": test.shape[1], "peak_mb": peak_mb()}


def top(folder: Path) -> dict[str, Any]:
    """The ten best by the exact index, then what metrics make of these lists: no ranks beyond them."""
    user, item, test, seen = _read(folder, "user", "item", "test", "seen")
    history = History.of_pairs(seen[0], seen[1], len(user), len(item))
    start = time.perf_counter()
    wanting, every = test[0].unique(), history.lines()
    had = [every[who] for who in wanting.tolist()]
    found = ExactIndex(item).search(user[wanting], K, exclude=had).rows
    taken = time.perf_counter() - start
    judged = _judge(folder, lambda users: found[torch.searchsorted(wanting, users)])
    return judged | {"seconds": taken + judged["seconds"]}


def lists(folder: Path) -> dict[str, Any]:
    """Lists that are there already."""
    (lines,) = _read(folder, "lists")
    return _judge(folder, lambda users: lines[users])


def _judge(folder: Path, lines: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, Any]:
    """Figures of lists; item rows count from 1."""
    test, seen = _read(folder, "test", "seen")
    users, items = (np.load(folder / f"{side}.npy", mmap_mode="r").shape[0] for side in ("user", "item"))
    history = History.of(Batch({"user_id": seen[0], "item_id": seen[1] + 1}), users, items + 1)

    def judge(rows: torch.Tensor) -> dict[str, float]:
        asking, which = rows[0].unique(return_inverse=True)
        demand = Demand(asking, which, rows[1] + 1, which, history, items, 0, 0)
        return served.list_evidence(lines(asking) + 1, demand, [K]).figures()

    judge(test[:, :200])  # as ranx has its code compiled before
    start = time.perf_counter()
    found = judge(test)
    figures = {name: found[f"{served.PREFIX}/{name}@{K}"] for name in ("recall", "precision", "ndcg", "mrr")}
    return {"seconds": time.perf_counter() - start, "figures": figures, "rows": test.shape[1], "peak_mb": peak_mb()}


def whole(folder: Path) -> dict[str, Any]:
    """What a user calls: `evaluate` of a model on an event log, under both protocols, hit rates at five lengths."""
    return _evaluated(folder, None)


def short(folder: Path) -> dict[str, Any]:
    """The same with metrics at 10 alone."""
    return _evaluated(folder, [K])


def _evaluated(folder: Path, ks: list[int] | None) -> dict[str, Any]:
    test, seen = (pl.DataFrame({"user_id": u, "item_id": i}) for u, i in (np.load(folder / f) for f in FILES))
    log = EventLog.read(pl.concat([seen, test]), Schema())
    train, held_out = log.take(slice(0, len(seen))), log.take(slice(len(seen), None))
    user, item = (_tower(getattr(log, f"{side}s"), *_read(folder, side)) for side in ("user", "item"))
    model = Model(user=user, item=item, tasks=[Retrieval()])
    start = time.perf_counter()
    report = evaluate(model, held_out, train=train, ks=ks, baselines=False)
    taken = time.perf_counter() - start
    return {"seconds": taken, "figures": dict(report), "rows": len(held_out), "peak_mb": peak_mb()}


def _tower(entities: Entities, vectors: torch.Tensor) -> FeatureTower:
    """A tower that embeds each entity as its vector, as if it had learned that."""
    tower = FeatureTower(entities, dim=vectors.shape[1])
    with torch.no_grad():
        ids = entities.vocab.decode_list(range(1, len(entities)))
        tower.ids.weight[1:] = vectors[torch.tensor(ids)]
    return tower


FILES = ("test.npy", "seen.npy")


if __name__ == "__main__":
    command({"factors": factors, "every": every, "top": top, "lists": lists, "whole": whole, "short": short})
