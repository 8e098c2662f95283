"""Products in bfloat16 beside float32: `python -m benchmarks.precision quality [SPLITS]` or `... speed`.

Quality is that of `motet.demo.best`, as in `benchmarks.quality`. Speed is that of `fit` on shapes where products are
much or little of the work: the medians of a step's processor and wall time, both precisions in turn in one process.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from functools import partial
from statistics import median
from unittest.mock import patch

import polars as pl
import torch
from benchmarks.measure import spread

from motet import baselines, datasets, evaluate, fit, split
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.demo import best
from motet.layers.precision import Precision
from motet.model import Model
from motet.optim import Adagrad
from motet.tasks import Catalogue, Rating, Retrieval
from motet.towers import FeatureTower

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
KEYS = ("rating/rmse", "retrieval/unseen/hit_rate@100", "retrieval/unseen/hit_rate@10")
BATCH, ITEMS, USERS, DIM = 8192, 100_000, 200_000, 64
STEPS = 5  # in turn, after one that is not counted


def judged(log: EventLog, seed: int) -> dict[str, list[float]]:
    """The figures of both precisions on one split, and of popularity and the global mean."""
    parts = split.random(log, train=80_000, test=20_000, seed=seed)
    found: dict[str, list[float]] = {}
    for precision in PRECISIONS:
        with patch("motet.demo.fit", partial(fit, precision=precision)):
            model = best(parts.train, seed=seed, progress=False)
        report = evaluate(model, parts.test, train=parts.train, baselines=False)
        found[precision] = [report[key] for key in KEYS]
    for rule in (baselines.Popularity(parts.train), baselines.GlobalMean(parts.train)):
        report = evaluate(rule, parts.test, train=parts.train)
        own = {key.partition("/")[2]: figure for key, figure in report.items()}
        found[rule.name] = [own.get(key.partition("/")[2], float("nan")) for key in KEYS]
    return found


def quality(splits: int) -> None:
    """Print the figures of both precisions."""
    log = datasets.movielens("100k", item="title")
    runs = [judged(log, seed) for seed in range(1, 1 + splits)]
    print(f"| {splits} splits | RMSE | top-100, unseen | top-10, unseen |\n|---|---|---|---|")
    for name in runs[0]:
        columns = zip(*(run[name] for run in runs), strict=True)
        print(f"| {name} | {' | '.join(spread(column, '.4f') for column in columns)} |")


def drawn(rows: int, users: int, items: int) -> EventLog:
    """Pairs of which few repeat, every user and item among them."""
    generator = torch.Generator().manual_seed(1)
    some = {"user_id": users, "item_id": items}
    columns = {name: torch.randint(size, (rows,), generator=generator) for name, size in some.items()}
    for name, size in some.items():
        columns[name][:size] = torch.arange(size)[:rows]
    columns["rating"] = torch.randint(1, 6, (rows,), generator=generator)
    frame = pl.DataFrame({name: values.numpy() for name, values in columns.items()})
    return EventLog.read(frame, Schema(signals=("rating",)))


def cases() -> Iterator[tuple[str, EventLog, list[Retrieval | Rating], int]]:
    """What is timed: a name, the rows, the tasks, and the rows of a batch."""
    large = drawn(USERS, USERS, ITEMS)
    yield "catalogue of 100,000, batch 1,024", large, [Retrieval(pool=Catalogue())], 1024
    yield "in-batch softmax, batch 8,192", large, [Retrieval()], BATCH
    yield "in-batch softmax and a head of 256 and 128", large, [Retrieval(), Rating("rating", hidden=(256, 128))], BATCH
    small = drawn(80_000, 943, 1_682)
    yield "catalogue of 1,682, batch 8,192", small, [Retrieval(pool=Catalogue())], BATCH


def steps(log: EventLog, tasks: list[Retrieval | Rating], batch: int) -> dict[str, tuple[float, float]]:
    """The median processor and wall seconds of one step of each precision."""
    torch.manual_seed(0)
    model = Model(
        user=FeatureTower(log.users, dim=DIM, features=(), sparse=True),
        item=FeatureTower(log.items, dim=DIM, features=(), sparse=True),
        tasks=tasks,
    )
    model.prepare(log)
    optimizer = Adagrad(model.parameters(), lr=0.1)
    rows = log.batch()
    taken: dict[str, list[tuple[float, float]]] = {precision: [] for precision in PRECISIONS}
    for number in range(1 + STEPS):
        some = rows.take(slice(number * batch, (number + 1) * batch))
        for precision in PRECISIONS:
            processor, wall = time.process_time(), time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                losses = model.losses(some)
            model.balancer.backward(model.weigh(losses), losses.shared)
            optimizer.step()
            if number:
                taken[precision].append((time.process_time() - processor, time.perf_counter() - wall))
            optimizer.zero_grad()
    return {
        name: (median(each[0] for each in found), median(each[1] for each in found)) for name, found in taken.items()
    }


def speed() -> None:
    """Print the seconds of a step, and how many times faster bfloat16 is."""
    print(f"{torch.get_num_threads()} threads")
    print("| step | float32 | bfloat16 | processor time | wall time |\n|---|---|---|---|---|")
    for name, log, tasks, batch in cases():
        found = steps(log, tasks, batch)
        wall = [found[precision][1] for precision in PRECISIONS]
        ratios = [found["float32"][kind] / found["bfloat16"][kind] for kind in (0, 1)]
        told = [f"{seconds:.3f} s" for seconds in wall] + [f"{ratio:.2f} x" for ratio in ratios]
        print(f"| {name} | {' | '.join(told)} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["speed"]:
        speed()
    else:
        quality(int(sys.argv[2]) if len(sys.argv) > 2 else 3)
