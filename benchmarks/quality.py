"""The best joint model and its two specialists: `python -m benchmarks.quality [SPLITS]`.

Each split draws its own test rows; when to stop is decided on a twentieth of the training rows. The seconds are those
of training, validation included.
"""

from __future__ import annotations

import sys
import time

from benchmarks.measure import spread

from motet import baselines, datasets, evaluate, split
from motet.data.log import EventLog
from motet.demo import BALANCE, best

SYSTEMS = {
    "best, joint": BALANCE,
    "the same, rating only": BALANCE | {"retrieval": 0.0},
    "the same, retrieval only": BALANCE | {"rating": 0.0},
}
KEYS = ("rating/rmse", "retrieval/unseen/hit_rate@100", "retrieval/unseen/hit_rate@10")
TARGETS = ("at most .900", "at least .615", "at least .168", "at most 30")


def judged(log: EventLog, seed: int) -> dict[str, list[float]]:
    """The figures of every system on one split."""
    parts = split.random(log, train=80_000, test=20_000, seed=seed)
    found = {}
    for name, weights in SYSTEMS.items():
        started = time.perf_counter()
        model = best(parts.train, seed=seed, weights=weights, progress=False)
        taken = time.perf_counter() - started
        report = evaluate(model, parts.test, train=parts.train, baselines=False)
        found[name] = [*(report[key] if weights[key.split("/")[0]] else float("nan") for key in KEYS), taken]
    rules = {"popularity": baselines.Popularity(parts.train), "global mean": baselines.GlobalMean(parts.train)}
    for name, rule in rules.items():
        report = evaluate(rule, parts.test, train=parts.train)
        own = {key.partition("/")[2]: figure for key, figure in report.items()}
        found[name] = [own.get(key.partition("/")[2], float("nan")) for key in KEYS] + [float("nan")]
    return found


if __name__ == "__main__":
    splits = range(1, 1 + (int(sys.argv[1]) if len(sys.argv) > 1 else 3))
    log = datasets.movielens("100k", item="title")
    runs = [judged(log, seed) for seed in splits]
    print(f"| {len(runs)} splits | RMSE | top-100, unseen | top-10, unseen | seconds |\n|---|---|---|---|---|")
    for name in runs[0]:
        columns = zip(*(run[name] for run in runs), strict=True)
        cells = (spread(column, form) for column, form in zip(columns, (".4f", ".4f", ".4f", ".1f"), strict=True))
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"| target | {' | '.join(TARGETS)} |")
