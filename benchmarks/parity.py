"""The tutorial's three models in motet alone: `python -m benchmarks.parity [SEEDS]`.

Each seed draws its own split, its own initial weights and its own order of rows.
"""

from __future__ import annotations

import sys

import torch
from benchmarks.measure import MODELS, spread
from benchmarks.tutorial import build

from motet import EventLog, baselines, datasets, evaluate, fit, split
from motet.optim import Adagrad

RMSE, TOP_100 = "rating/rmse", "retrieval/all items/hit_rate@100"
# Where TFRS itself lands: the middle and what either side of it is allowed.
TARGETS = {
    "rating only": ("1.11 +- .02", ".06 +- .01"),
    "retrieval only": ("", ".235 +- .01"),
    "joint": ("1.10 to 1.16", ".235 +- .01"),
    "popularity": ("", ""),
}


def figures(log: EventLog, seed: int) -> dict[str, tuple[float, float]]:
    """RMSE and top-100 of the three models and of popularity, on one split."""
    train, test = split.random(log, train=80_000, test=20_000, seed=seed)
    found = {}
    for name, (rating, retrieval) in MODELS.items():
        torch.manual_seed(seed)
        model = build(train)
        model.weights = {"rating": rating, "retrieval": retrieval}
        adagrad = Adagrad(model.parameters(), lr=0.1)
        fit(model, train, epochs=3, batch_size=8192, optimizer=adagrad, seed=seed, progress=False)
        report = evaluate(model, test, train=train, protocols=["all items"], baselines=False)
        found[name] = (report[RMSE], report[TOP_100])
    popular = evaluate(baselines.Popularity(train), test, train=train, protocols=["all items"])
    return found | {"popularity": (float("nan"), popular["popularity/all items/hit_rate@100"])}


if __name__ == "__main__":
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    log = datasets.movielens("100k", item="title")
    runs = [figures(log, seed) for seed in seeds]
    print(f"| {len(runs)} seeds | RMSE | target | top-100, all items | target |\n|---|---|---|---|---|")
    for name, (rmse_target, top_target) in TARGETS.items():
        rmse, top_100 = (spread(column) for column in zip(*(run[name] for run in runs), strict=True))
        print(f"| {name} | {rmse} | {rmse_target} | {top_100} | {top_target} |")
