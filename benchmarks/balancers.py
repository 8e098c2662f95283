"""Each balancer beside fixed weights on three settings: `python -m benchmarks.balancers [SEEDS]`.

- MovieLens 100K, ratings and retrieval at weights 1 and 1.
- Two ratings of tastes that have nothing in common, with vectors too narrow for both: what helps one costs the other.
- The same with the first one's loss multiplied by 1,000.

The cost of a step, optimizer included, is the processor time of the MovieLens model's, beside fixed weights in the same
process: every balancer takes one step in turn, in an order that changes, and the ratio is that of the medians. With 0
seeds only that is measured. No setting was tuned for any balancer.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from typing import get_args

import polars as pl
import torch
from benchmarks.measure import spread

from motet import EventLog, FeatureTower, Model, Schema, datasets, evaluate, fit, split
from motet.balancers import Balancer, DynamicWeightAverage, Fixed, GradientBalancer, GradNorm, Uncertainty
from motet.balancers.gradient import Method
from motet.data.batch import Batch, Loader
from motet.tasks import Rating, Retrieval

BALANCERS: dict[str, Callable[[], Balancer]] = {
    "`Fixed`": Fixed,
    "`Uncertainty`": Uncertainty,
    "`DynamicWeightAverage`": DynamicWeightAverage,
    "`GradNorm`": GradNorm,
    **{f"`{method}`": partial(GradientBalancer, method) for method in get_args(Method)},
}
COLUMNS = ("MovieLens: RMSE", "top-100, unseen", "apart: first", "second", "first x 1,000: first", "second")


def movie_model(log: EventLog, balancer: Balancer) -> Model:
    """Ratings and retrieval on shared towers."""
    user, item = (FeatureTower(side, dim=32, features=(), dropout=0.2) for side in (log.users, log.items))
    tasks = [Rating("rating", hidden=(32,), product=True, biases=True), Retrieval()]
    return Model(user=user, item=item, tasks=tasks, balancer=balancer)


def movies(log: EventLog, balancer: Balancer, seed: int) -> list[float]:
    """RMSE and hit rate on held-out rows."""
    parts = split.random(log, train=80_000, test=20_000, seed=seed)
    torch.manual_seed(seed)
    model = movie_model(parts.train, balancer)
    fit(model, parts.train, epochs=4, batch_size=8192, seed=seed, progress=False)
    report = evaluate(model, parts.test, train=parts.train, baselines=False)
    return [report["rating/rmse"], report["retrieval/unseen/hit_rate@100"]]


def tastes(seed: int) -> tuple[EventLog, EventLog]:
    """Two ratings a row, of four hidden dimensions each and none in common."""
    generator = torch.Generator().manual_seed(seed)
    users, items = (torch.randint(n, (16_000,), generator=generator) for n in (300, 200))
    hidden = [(torch.randn(300, 4, generator=generator), torch.randn(200, 4, generator=generator)) for _ in range(2)]
    columns = {"user_id": users.tolist(), "item_id": items.tolist()}
    for name, (user, item) in zip(("first", "second"), hidden, strict=True):
        truth = (user[users] * item[items]).sum(1) / 2
        columns[name] = (truth + 0.3 * torch.randn(len(truth), generator=generator)).tolist()
    log = EventLog.read(pl.DataFrame(columns), Schema(signals=("first", "second")))
    parts = split.random(log, train=12_000, test=4_000, seed=seed)
    return parts.train, parts.test


def ratings(balancer: Balancer, seed: int, *, weights: dict[str, float]) -> list[float]:
    """The share of the variance of each rating that is explained on held-out rows."""
    train, test = tastes(seed)
    torch.manual_seed(seed)
    user, item = (FeatureTower(side, dim=4, features=(), init_scale=0.5) for side in (train.users, train.items))
    tasks = [Rating(name, hidden=(), product=True) for name in ("first", "second")]
    model = Model(user=user, item=item, tasks=tasks, weights=weights, balancer=balancer)
    fit(model, train, epochs=25, batch_size=1000, optimizer=adam, seed=seed, progress=False)
    batch = test.batch()
    with torch.no_grad():
        scores = model.score(batch)
    return [1 - float((scores[name] - batch[name]).square().mean() / batch[name].var()) for name in scores]


def adam(parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """With a rate at which a small log is learned in 300 steps."""
    return torch.optim.Adam(parameters, lr=0.03)


def step(model: Model, optimizer: torch.optim.Optimizer, batch: Batch) -> float:
    """Processor seconds of one step of training."""
    start = time.process_time()
    losses = model.losses(batch)
    optimizer.zero_grad()
    model.balancer.backward(model.weigh(losses), losses.shared)
    optimizer.step()
    return time.process_time() - start


def costs(log: EventLog, rounds: int = 30) -> dict[str, float]:
    """The time of a step over that of fixed weights."""
    models = {name: movie_model(log, build()) for name, build in BALANCERS.items()}
    for model in models.values():
        model.prepare(log)
    optimizers = {name: torch.optim.Adam(model.parameters(), lr=0.01) for name, model in models.items()}
    taken: dict[str, list[float]] = {name: [] for name in models}
    batches = list(Loader(log, batch_size=8192, seed=0).epoch(0))
    for number in range(rounds + 1):
        for name in random.Random(number).sample(list(models), len(models)):
            seconds = step(models[name], optimizers[name], batches[number % len(batches)])
            if number > 0:  # the first round imports and allocates
                taken[name].append(seconds)
    return {name: median(each) / median(taken["`Fixed`"]) for name, each in taken.items()}


if __name__ == "__main__":
    seeds = range(1, 1 + (int(sys.argv[1]) if len(sys.argv) > 1 else 3))
    log = datasets.movielens("100k", item="title")
    ratio = costs(log)
    print(f"| a step beside `Fixed` | {' | '.join(list(ratio)[1:])} |\n|{'---|' * len(ratio)}")
    print(f"| | {' | '.join(f'{each:.2f}' for each in list(ratio.values())[1:])} |\n", flush=True)
    if not seeds:
        sys.exit()
    print(f"| {len(seeds)} seeds | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
    for name, build in BALANCERS.items():
        runs = [
            [
                *movies(log, build(), seed),
                *ratings(build(), seed, weights={}),
                *ratings(build(), seed, weights={"first": 1000.0}),
            ]
            for seed in seeds
        ]
        print(f"| {name} | {' | '.join(map(spread, zip(*runs, strict=True)))} |", flush=True)
