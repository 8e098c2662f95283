"""One model for every weighting against eleven of one weighting each: `python -m benchmarks.preference [SEEDS] [FILE]`.

MovieLens 100K, the model of `demo.best`. A seed draws the first weights, the order of the rows and the validation rows;
the test rows are the same for all. Runs found in FILE, a line of JSON each, are not made again, and new ones are added
to it. Seconds are those of the processor, in training.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from benchmarks.measure import spread

from motet import FeatureTower, Model, Preference, baselines, datasets, evaluate, fit, split
from motet.compare.pareto import hypervolume
from motet.data.log import EventLog
from motet.tasks import Catalogue, Rating, Retrieval

EPOCHS = 24  # of each of the eleven: on validation rows none of those tried, 4 to 24, was better
CONDITIONED = 44  # a batch costs 1.02 to 1.08 of theirs, so that this is at most two trainings
KEYS = ("rating/rmse", "retrieval/unseen/hit_rate@100", "retrieval/unseen/ndcg@10")
LOWER = (True, False)
BALANCE = {"rating": 1.0, "retrieval": 15.0}
# Eleven ratios over three orders of magnitude, with the balance of the demonstration in the middle.
WEIGHTINGS = [{"rating": 1.0, "retrieval": 15.0 * 10 ** (0.3 * step)} for step in range(-5, 6)]
Run = Mapping[str, Any]


def train(log: EventLog, seed: int, weights: Mapping[str, float], preference: Preference | None) -> tuple[Model, Run]:
    """A model, for one weighting or for all, and how long it took."""
    learn, _ = split.random(log, test=0.05, seed=seed)
    torch.manual_seed(seed)
    model = Model(
        user=FeatureTower(log.users, dim=64, features=(), dropout=0.4),
        item=FeatureTower(log.items, dim=64, features=("genres", "year"), dropout=0.4),
        tasks=[
            Rating("rating", hidden=(64,), product=True, biases=True, clip=(1.0, 5.0)),
            Retrieval(pool=Catalogue(), item_bias=True),
        ],
        weights=weights,
        preference=preference,
    )
    optimizer = partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1)
    epochs = EPOCHS if preference is None else CONDITIONED
    started = time.process_time()
    fit(model, learn, epochs=epochs, batch_size=4096, optimizer=optimizer, average=0.99, seed=seed, progress=False)
    return model, {"seconds": time.process_time() - started}


def figures(model: Model, parts: split.Split, seed: int, preference: Mapping[str, float] | None) -> Run:
    """What a model reaches on the validation and on the test rows."""
    learn, validation = split.random(parts.train, test=0.05, seed=seed)
    found = {}
    for name, rows, had in (("validation", validation, learn), ("test", parts.test, parts.train)):
        report = evaluate(model, rows, train=had, baselines=False, protocols=("unseen",), preference=preference)
        found[name] = [report[key] for key in KEYS]
    return found


def runs(parts: split.Split, seed: int, done: dict[str, Run], keep: Path | None) -> None:
    """Train and judge what is not done yet."""
    asks: dict[str, tuple[Mapping[str, float], Preference | None, Sequence[Mapping[str, float] | None]]] = {
        f"{seed} separate {place}": (weights, None, [None]) for place, weights in enumerate(WEIGHTINGS)
    }
    asks[f"{seed} conditioned"] = (BALANCE, Preference(), WEIGHTINGS)
    for name, (weights, preference, asked) in asks.items():
        if name in done:
            continue
        model, taken = train(parts.train, seed, weights, preference)
        done[name] = {"run": name, **taken, "points": [figures(model, parts, seed, each) for each in asked]}
        if keep is not None:
            with keep.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[name]) + "\n")


def volume(points: Sequence[Run], rows: str, reference: Sequence[float], objective: int = 1) -> float:
    """The hypervolume of rating error and one retrieval figure."""
    front = torch.tensor([[point[rows][0], point[rows][objective]] for point in points], dtype=torch.float64)
    rules = torch.tensor([reference[0], reference[objective]], dtype=torch.float64)
    return hypervolume(front, rules, lower=LOWER)


def show(done: Mapping[str, Run], seeds: Sequence[int], rules: Sequence[float]) -> None:
    """The two fronts beside each other, and what they cover."""
    separate = [[done[f"{seed} separate {place}"] for place in range(len(WEIGHTINGS))] for seed in seeds]
    conditioned = [done[f"{seed} conditioned"] for seed in seeds]
    eleven = [[run["points"][0] for run in line] for line in separate]
    one = [run["points"] for run in conditioned]
    print(f"| rating 1 : retrieval | {' | '.join(f'{name} {who}' for who in ('alone', 'asked') for name in KEYS)} |")
    print(f"|---{'|---' * 2 * len(KEYS)}|")
    for place, weights in enumerate(WEIGHTINGS):
        cells = [
            spread([line[place]["test"][key] for line in lines], ".4f")
            for lines in (eleven, one)
            for key in range(len(KEYS))
        ]
        print(f"| {weights['retrieval']:.3g} | {' | '.join(cells)} |")
    print(f"| global mean, popularity | {' | '.join(f'{rule:.4f}' for rule in rules)} | | | |\n")
    best = [max(line, key=lambda point: volume([point], "validation", rules)) for line in eleven]
    for objective in (1, 2):
        whole = [volume(line, "test", rules, objective) for line in eleven]
        print(f"hypervolume of {KEYS[0]} and {KEYS[objective]} over the two rules")
        print(f"  of the eleven: {spread(whole, '.5f')}")
        for name, lines in (
            ("of the conditioned model", one),
            ("of the best of the eleven alone", [[p] for p in best]),
        ):
            own = [volume(line, "test", rules, objective) for line in lines]
            shares = [mine / theirs for mine, theirs in zip(own, whole, strict=True)]
            print(f"  {name}: {spread(own, '.5f')}, {spread(shares, '.3f')} of theirs (target .98)")
    trainings = [
        run["seconds"] / mean(each["seconds"] for each in line) for run, line in zip(conditioned, separate, strict=True)
    ]
    print(f"time of the conditioned model: {spread(trainings, '.2f')} trainings (target 2)")


if __name__ == "__main__":
    numbers = range(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    file = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    lines = file.read_text(encoding="utf-8").splitlines() if file is not None and file.exists() else []
    found: dict[str, Run] = {run["run"]: run for run in map(json.loads, lines)}
    rows = split.random(datasets.movielens("100k", item="title"), train=80_000, test=20_000, seed=42)
    for number in numbers:
        runs(rows, number, found, file)
    ratings = evaluate(baselines.GlobalMean(rows.train), rows.test, train=rows.train)
    ranks = evaluate(baselines.Popularity(rows.train), rows.test, train=rows.train)
    simple = [ratings["global mean/rmse"], *(ranks[f"popularity/{key.partition('/')[2]}"] for key in KEYS[1:])]
    show(found, numbers, simple)
