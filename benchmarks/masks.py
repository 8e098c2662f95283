"""What a task costs whose labels are nearly all missing: `python -m benchmarks.masks`.

The same model with and without a second rating task, of whose labels 99 % are missing; rows a second of `fit`, the two
in turn in one process.
"""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median

import torch

from motet import EventLog, FeatureTower, Model, datasets, fit, split, tasks
from motet.data.schema import Schema

ROUNDS, EPOCHS = 7, 3


def with_rare_label(log: EventLog) -> EventLog:
    """The log with a column `rare`: the rating of one row in a hundred."""
    drawn = torch.rand(len(log), generator=torch.Generator().manual_seed(0))
    rare = log.columns["rating"].where(drawn < 0.01, float("nan"))
    schema: Schema = replace(log.schema, signals=("rating", "rare"))
    return replace(log, schema=schema, columns={**log.columns, "rare": rare})


def rows_per_s(log: EventLog, labels: tuple[str, ...]) -> float:
    """Rows a second of a training."""
    torch.manual_seed(0)
    model = Model(
        user=FeatureTower(log.users, dim=32, features=()),
        item=FeatureTower(log.items, dim=32, features=()),
        tasks=[tasks.Retrieval(), *(tasks.Rating(label) for label in labels)],
    )
    started = time.perf_counter()
    fit(model, log, epochs=EPOCHS, batch_size=8192, progress=False)
    return EPOCHS * len(log) / (time.perf_counter() - started)


if __name__ == "__main__":
    train, _ = split.random(datasets.movielens("100k"), train=80_000, test=20_000, seed=0)
    log = with_rare_label(train)
    pairs = [(rows_per_s(log, ("rating", "rare")), rows_per_s(log, ("rating",))) for _ in range(ROUNDS + 1)][1:]
    with_task, without = (median(side) for side in zip(*pairs, strict=True))
    ratio = median(a / b for a, b in pairs)
    print("| | rows/s |\n|---|---|")
    print(f"| with the task of 99 % missing labels | {with_task:.0f} |")
    print(f"| without it | {without:.0f} |")
    print(f"| ratio, pair by pair (target: at least 0.9) | {ratio:.2f} |")
