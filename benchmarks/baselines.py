"""What there is to beat: every baseline on MovieLens 100K, and the rule of what was touched first on a shop's log.

`python -m benchmarks.baselines [--splits 3] [--taobao taobao_mb.npz]`

MovieLens: random 80,000 / 20,000, a seed a split. The shop: pairs of user and item by kind of event, one bought item a
user held out; only what the user bought in training is left out of the ranking.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import mean

import numpy as np
import polars as pl
import torch
from benchmarks.measure import spread

from motet import datasets, evaluate, split
from motet.baselines import (
    ALS,
    BPR,
    EASE,
    Baseline,
    BayesianMF,
    BiasedMF,
    BoughtTogether,
    GlobalMean,
    ItemKNN,
    Popularity,
    Touched,
    UserItemBias,
)
from motet.baselines.factors import Factors
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.tasks import Rows


class FrequencyALS(Factors):
    """The ALS that the expected figures are of, whose regularisation grows with a row's share of the weights.

    A positive weighs 1 and every pair .3, and a row of n positives among m is regularised by .01 (n + .3 m): Rendle et
    al., "Revisiting the Performance of iALS on Item Recommendation Benchmarks", RecSys 2022, which implicit has not.
    """

    def __init__(self, train: EventLog, *, everywhere: float = 0.3, regularization: float = 0.01) -> None:
        super().__init__(train, name="frequency ALS", where=None)
        shapes = [(self.positives.users, self.positives.items), (self.positives.items, self.positives.users)]
        factors = [0.02 * torch.randn(n, 32, generator=torch.Generator().manual_seed(0)) for n in self.positives.shape]
        factors = [each.double().index_fill(0, torch.tensor(0), 0.0) for each in factors]
        for _ in range(15):
            for side, (rows, others) in enumerate(shapes):
                other, sizes = factors[1 - side], torch.bincount(rows, minlength=len(factors[side]))
                common = everywhere * other.T @ other
                for row, had in enumerate(others[rows.argsort(stable=True)].split(sizes.tolist())):
                    shrunk = regularization * (len(had) + everywhere * (len(other) - 1)) * torch.eye(32).double()
                    vectors = other[had]
                    factors[side][row] = torch.linalg.solve(common + vectors.T @ vectors + shrunk, vectors.sum(0))
        self.user_factors, self.item_factors = (each.float() for each in factors)


RANKING: dict[str, Callable[[EventLog], Baseline]] = {
    "popularity": Popularity,
    "popularity, half-life 30 days": lambda train: Popularity(train, where=Rows(half_life_days=30)),
    "bought together": BoughtTogether,
    "item kNN": ItemKNN,
    "EASE": EASE,
    "ALS": ALS,
    "ALS, regularised by frequency": FrequencyALS,
    "BPR": BPR,
}
RATING: dict[str, Callable[[EventLog], Baseline]] = {
    "global mean": GlobalMean,
    "user + item bias": UserItemBias,
    "biased MF": BiasedMF,
    "Bayesian MF": BayesianMF,
}
RANKED = ("all items/hit_rate@100", "unseen/hit_rate@100", "unseen/hit_rate@10", "unseen/ndcg@10")
EXPECTED_ALS = ".386 / .642 / .172"
EXPECTED = {
    **{"popularity": ".296 / .413 / .090", "EASE": ".300 / .628 / .176"},
    **{"ALS": EXPECTED_ALS, "ALS, regularised by frequency": EXPECTED_ALS},
}
EXPECTED_RMSE = {"Bayesian MF": ".901"}
SHOP = Schema(user="user", item="item", event="event")


def judged(build: Callable[[EventLog], Baseline], parts: split.Split) -> tuple[dict[str, float], list[float]]:
    """Figures without the baseline's name, and the seconds of fitting and of evaluating."""
    started = time.perf_counter()
    baseline = build(parts.train)
    fitted = time.perf_counter()
    report = evaluate(baseline, parts.test, train=parts.train, baselines=False)
    seconds = [fitted - started, time.perf_counter() - fitted]
    return {key.removeprefix(f"{baseline.name}/"): figure for key, figure in report.items()}, seconds


def table(
    builds: dict[str, Callable[[EventLog], Baseline]],
    keys: tuple[str, ...],
    expected: dict[str, str],
    splits: list[split.Split],
) -> None:
    """One line a baseline: figures, what is expected of it, seconds."""
    print(f"| {len(splits)} splits | {' | '.join(keys)} | expected | fit, s | evaluate, s |")
    print("|---" * (len(keys) + 4) + "|")
    for name, build in builds.items():
        runs = [judged(build, parts) for parts in splits]
        figures = [spread(tuple(found[key] for found, _ in runs)) for key in keys]
        seconds = [f"{mean(column):.2f}" for column in zip(*(taken for _, taken in runs), strict=True)]
        print(f"| {' | '.join([name, *figures, expected.get(name, ''), *seconds])} |", flush=True)


def shop(path: str) -> tuple[EventLog, EventLog]:
    """The training events of all kinds, and each user's held-out buy."""
    pairs = np.load(path)
    frames = [
        pl.DataFrame({"user": pairs[kind][:, 0], "item": pairs[kind][:, 1], "event": kind})
        for kind in ("view", "cart", "buy", "buy_test")
    ]
    log = EventLog.read(pl.concat(frames), SHOP)
    buy, held_out = log.vocabs["event"].encode(["buy", "buy_test"]).tolist()
    event = log.columns["event"]
    bought = replace(log, columns={**log.columns, "event": event.where(event != held_out, buy)})
    return bought.take(event != held_out), bought.take(event == held_out)


def taobao(path: str) -> None:
    """The rule beside the popularity of buys."""
    train, test = shop(path)
    buys = train.take(train.columns["event"] == train.vocabs["event"].encode(["buy"]))
    rules: dict[str, tuple[Callable[[], Baseline], str]] = {
        "popularity of buys": (lambda: Popularity(buys), ".011 / .006"),
        "touched first": (
            lambda: Touched(train, "event in ['view', 'cart']", where="event == 'buy'"),
            ".344 / .169",
        ),
    }
    print("| | unseen/hit_rate@10 | unseen/ndcg@10 | expected | seconds |\n|---|---|---|---|---|")
    for name, (build, expected) in rules.items():
        started = time.perf_counter()
        baseline = build()
        report = evaluate(baseline, test, train=buys, protocols=["unseen"], baselines=False)
        figures = [f"{report[f'{baseline.name}/unseen/{key}']:.4f}" for key in ("hit_rate@10", "ndcg@10")]
        print(f"| {' | '.join([name, *figures, expected])} | {time.perf_counter() - started:.1f} |", flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--splits", type=int, default=3)
    options.add_argument("--taobao", help="the shop's events: arrays view, cart, buy and buy_test of [user, item]")
    given = options.parse_args()
    log = datasets.movielens("100k")
    splits = [split.random(log, train=80_000, test=20_000, seed=seed) for seed in range(1, 1 + given.splits)]
    table(RANKING, RANKED, EXPECTED, splits)
    print()
    table(RATING, ("rmse", "mae"), EXPECTED_RMSE, splits)
    if given.taobao:
        print()
        taobao(given.taobao)
