"""What watching says about rating: `python -m benchmarks.transfer [SEEDS] [FRACTIONS]`.

Every training row is a watch, and a fraction of them carries a rating. The joint model learns from both, the specialist
from the ratings alone. A third model learns from the ratings, too, and reads the watches: its user vector is the sum
over the films that a user watched. Each is tried with the same number of settings, of which the validation rows choose;
they are a twentieth of the training rows and keep their ratings. RMSE is that of the test rows.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from benchmarks.measure import spread

from motet import EarlyStopping, EventLog, FeatureTower, Model, baselines, datasets, evaluate, fit, split, tasks
from motet.towers import HistoryTower

FRACTIONS = (0.01, 0.02, 0.05, 0.1, 1.0)


class Setting(NamedTuple):
    """What is tried on the validation rows."""

    rating: float = 1.0  # weight of the task
    retrieval: float = 0.0
    hidden: tuple[int, ...] = ()  # of the rating's head
    lr: float = 0.01
    weight_decay: float = 0.1
    history: bool = False  # whether users are what they watched


JOINT = (
    Setting(retrieval=15, hidden=(64,)),
    Setting(rating=0.1, retrieval=15, weight_decay=1.0),
    Setting(rating=0.03, retrieval=15, lr=0.003, weight_decay=1.0),
    Setting(rating=0.01, retrieval=15, lr=0.003, weight_decay=1.0),
)
ALONE = (
    Setting(hidden=(64,)),
    Setting(),
    Setting(lr=0.003, weight_decay=1.0),
    Setting(hidden=(64,), lr=0.003, weight_decay=3.0),
)
WATCHED = tuple(setting._replace(history=True) for setting in ALONE)
RMSE = "rating/rmse"


def keep_ratings(log: EventLog, fraction: float, seed: int) -> EventLog:
    """The same rows, with the ratings of a random part of them."""
    drawn = torch.rand(len(log), generator=torch.Generator().manual_seed(seed))
    ratings = log.columns["rating"].where(drawn < fraction, float("nan"))
    return replace(log, columns={**log.columns, "rating": ratings})


def train(log: EventLog, validation: EventLog, setting: Setting, seed: int) -> tuple[Model, float]:
    """One model, and its error on the validation rows."""
    torch.manual_seed(seed)
    given: dict[str, Any] = {"dim": 64, "features": (), "dropout": 0.4}
    user = HistoryTower(log.users, log.items, **given) if setting.history else FeatureTower(log.users, **given)
    model = Model(
        user=user,
        item=FeatureTower(log.items, dim=64, features=("genres", "year"), dropout=0.4),
        tasks=[
            tasks.Rating("rating", hidden=setting.hidden, product=True, biases=True, clip=(1, 5)),
            tasks.Retrieval(pool=tasks.Catalogue(), item_bias=True),
        ],
        weights={"rating": setting.rating, "retrieval": setting.retrieval},
    )
    history = fit(
        model,
        log,
        epochs=120,
        batch_size=4096,
        optimizer=partial(torch.optim.AdamW, lr=setting.lr, weight_decay=setting.weight_decay),
        average=0.99,
        validation=validation,
        early_stopping=EarlyStopping(RMSE, patience=8),
        seed=seed,
        progress=False,
    )
    return model, min(history[f"validation/{RMSE}"])


def errors(log: EventLog, fraction: float, seed: int) -> tuple[float, float, float, float]:
    """Test RMSE of the joint model, of the specialist, of the one that reads watches, and of the mean, on one split."""
    rows, test = split.random(log, train=80_000, test=20_000, seed=seed)
    learn, validation = split.random(rows, test=0.05, seed=seed)
    learn = keep_ratings(learn, fraction, seed)
    found = []
    for settings in (JOINT, ALONE, WATCHED):
        tried = [train(learn, validation, setting, seed) for setting in settings]
        best, _ = min(tried, key=lambda one: one[1])
        found.append(evaluate(best, test, train=rows, baselines=False)[RMSE])
    rule = evaluate(baselines.GlobalMean(learn), test, train=learn)
    return found[0], found[1], found[2], next(iter(rule.values()))


if __name__ == "__main__":
    seeds = range(1, 1 + (int(sys.argv[1]) if len(sys.argv) > 1 else 3))
    log = datasets.movielens("100k", item="title")
    names = (
        "ratings kept",
        "joint",
        "rating only",
        "rating only, reading watches",
        "global mean",
        "joint is better by",
    )
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for fraction in [float(one) for one in sys.argv[2:]] or FRACTIONS:
        joint, alone, watched, rule = zip(*(errors(log, fraction, seed) for seed in seeds), strict=True)
        gains = [1 - a / b for a, b in zip(joint, alone, strict=True)]
        cells = [spread(each, ".4f") for each in (joint, alone, watched, rule)]
        print(f"| {fraction:.0%} | {' | '.join(cells)} | {spread(gains, '.1%')} |", flush=True)
