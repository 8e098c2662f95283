"""One model for every weighting, where tasks do compete: `python -m benchmarks.tradeoff [SEEDS [FILE]]`.

Users watch by one taste and like by another that has nothing to do with it, of four hidden dimensions each. Both tasks
retrieve by the dot product of the same two vectors, so that what a user is given suits the one or the other. Vectors of
16 numbers have room for both tastes, those of 8 just so, and those of 4 for half. Eleven weightings, a training each,
against one model with a `Preference`, trained for two trainings' time, that is asked for the same eleven.

A seed draws the tastes, the events, the split and the first weights. Runs found in FILE, a line of JSON each, are not
made again, and new ones are added to it. Seconds are those of the processor, in training.
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

import polars as pl
import torch
from benchmarks.measure import spread

from motet import EventLog, FeatureTower, Model, Preference, Schema, evaluate, fit, split
from motet.baselines import Popularity
from motet.compare.pareto import hypervolume
from motet.compare.rules import Place, judged
from motet.tasks import Catalogue, Retrieval

KINDS = ("watch", "like")
KEYS = [f"{kind}/unseen/ndcg@10" for kind in KINDS]
WIDTHS = (4, 8, 16)
EPOCHS = 40  # of each of the eleven
CONDITIONED = 65  # a batch costs 1.21 of theirs, in turn in one process, so that this is two trainings
SPREAD = 100.0
WEIGHTINGS = [{"watch": 1.0, "like": 10 ** (0.3 * step)} for step in range(-5, 6)]
Run = dict[str, Any]


def tastes(seed: int, users: int = 200, items: int = 100) -> split.Split:
    """Thirty items watched and fifteen liked by each user, of which a quarter is the test."""
    generator = torch.Generator().manual_seed(seed)
    events = []
    for kind, count in zip(KINDS, (30, 15), strict=True):
        user, item = (torch.randn(size, 4, generator=generator) for size in (users, items))
        chosen = torch.multinomial(torch.softmax(1.5 * user @ item.T, 1), count, generator=generator)
        ids = torch.arange(users).repeat_interleave(count)
        columns = {"user_id": ids.tolist(), "item_id": chosen.flatten().tolist(), "event": [kind] * len(ids)}
        events.append(pl.DataFrame(columns))
    return split.random(EventLog.read(pl.concat(events), Schema(event="event")), test=0.25, seed=seed)


def train(log: EventLog, seed: int, width: int, weights: Mapping[str, float], asked: Preference | None) -> Model:
    """A model, for one weighting or for all."""
    torch.manual_seed(seed)
    user, item = (FeatureTower(side, dim=width, features=(), dropout=0.2) for side in (log.users, log.items))
    tasks = [Retrieval(kind, positives=f"event == '{kind}'", pool=Catalogue(), item_bias=True) for kind in KINDS]
    model = Model(user=user, item=item, tasks=tasks, weights=weights, preference=asked)
    optimizer = partial(torch.optim.AdamW, lr=0.02, weight_decay=0.1)
    epochs = EPOCHS if asked is None else CONDITIONED
    fit(model, log, epochs=epochs, batch_size=1024, optimizer=optimizer, average=0.98, seed=seed, progress=False)
    return model


def run(seed: int, width: int, place: int | None) -> Run:
    """The eleventh of a front, or all of it by one model: figures of validation and of test rows, and of popularity.

    Popularity counts the events of both kinds.
    """
    parts = tastes(seed)
    learn, validation = split.random(parts.train, test=0.2, seed=seed)
    weights = {"watch": 1.0, "like": 1.0} if place is None else WEIGHTINGS[place]
    started = time.process_time()
    model = train(learn, seed, width, weights, Preference(SPREAD) if place is None else None)
    told: Run = {"seed": seed, "width": width, "place": place, "seconds": time.process_time() - started}
    for name, rows in (("validation", validation), ("test", parts.test)):
        had = learn if name == "validation" else parts.train
        asked: Sequence[Mapping[str, float] | None] = WEIGHTINGS if place is None else [None]
        reports = [evaluate(model, rows, train=had, preference=each, protocols=("unseen",)) for each in asked]
        told[name] = [[report[key] for key in KEYS] for report in reports]
        rule = judged([(Place(kind, None, Popularity), Popularity(had)) for kind in KINDS], model, rows, had)
        told[f"{name} rule"] = [rule[key] for key in KEYS]
    return told


def volume(front: Sequence[Run], rows: str) -> float:
    """The hypervolume of the points of some runs, over popularity."""
    points = torch.tensor([point for each in front for point in each[rows]], dtype=torch.float64)
    rule = torch.tensor(front[0][f"{rows} rule"], dtype=torch.float64)
    return hypervolume(points, rule, lower=[False, False])


def share(fronts: Sequence[Sequence[Run]], others: Sequence[Sequence[Run]], rows: str) -> str:
    """Hypervolumes as a share of others', seed by seed."""
    shares = [volume(a, rows) / volume(b, rows) for a, b in zip(fronts, others, strict=True)]
    return f"{spread(shares, '.2f')} ({', '.join(f'{each:.2f}' for each in shares)})"


def show(done: Sequence[Run], seeds: Sequence[int]) -> None:
    """A line a width: shares of the eleven's hypervolume, and time in trainings; then the fronts of the test rows.

    The share after those of validation and test rows is of a conditioned model of twice the width: item vectors of its
    own are what each of the eleven has and the one model has not.
    """
    for width in WIDTHS:
        runs = [[each for each in done if (each["seed"], each["width"]) == (seed, width)] for seed in seeds]
        alone = [[each for each in own if each["place"] is not None] for own in runs]
        asked = [[each for each in own if each["place"] is None] for own in runs]
        wider = [
            [each for each in done if (each["seed"], each["width"], each["place"]) == (seed, 2 * width, None)]
            for seed in seeds
        ]
        best = [[max(own, key=lambda each: volume([each], "validation"))] for own in alone]
        cells = [share(asked, alone, "test"), share(asked, alone, "validation")]
        cells += [share(wider, alone, "test") if all(wider) else "-", share(best, alone, "test")]
        ratios = [a[0]["seconds"] / mean(each["seconds"] for each in b) for a, b in zip(asked, alone, strict=True)]
        print(f"| {width} | {' | '.join(cells)} | {spread(ratios, '.2f')} |")
    for width in WIDTHS:
        for place, weights in enumerate(WEIGHTINGS):
            own = [each for each in done if each["width"] == width and each["seed"] in seeds]
            alone_here = [each["test"][0] for each in own if each["place"] == place]
            asked_here = [each["test"][place] for each in own if each["place"] is None]
            cells = [spread([p[k] for p in points], ".3f") for points in (alone_here, asked_here) for k in range(2)]
            print(f"| {width} | {weights['like']:.3g} | {' | '.join(cells)} |")


if __name__ == "__main__":
    numbers = range(1, 1 + (int(sys.argv[1]) if len(sys.argv) > 1 else 3))
    file = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    lines = file.read_text(encoding="utf-8").splitlines() if file is not None and file.exists() else []
    found: list[Run] = [json.loads(line) for line in lines]
    known = {(each["seed"], each["width"], each["place"]) for each in found}
    for number in numbers:
        for width in WIDTHS:
            for place in (*range(len(WEIGHTINGS)), None):
                if (number, width, place) not in known:
                    found.append(run(number, width, place))
                    if file is not None:
                        with file.open("a", encoding="utf-8") as opened:
                            opened.write(json.dumps(found[-1]) + "\n")
    show(found, numbers)
