"""Context features: does the time of an event help, as a feature of the user tower?

The answer depends on the split, so the example measures both. With random test rows the time leaks information, because
people rate in sessions; only a split by time matches what a deployed model has to predict.
"""

from __future__ import annotations

from functools import partial

import torch

import motet
from motet import FeatureTower, Model, datasets, split, tasks
from motet.data.split import Split
from motet.towers import ContextTower

FIGURES = ("retrieval/unseen/hit_rate@10", "retrieval/unseen/hit_rate@100")
log = datasets.movielens("100k")


def judged(parts: Split, *, context: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Metrics of a model with or without the time, and those of popularity."""
    torch.manual_seed(42)
    # A context tower embeds every row separately: a user has a different vector at a different time.
    user = (
        ContextTower(log.users, context={"timestamp": "timestamp"}, features=("age", "gender"), dropout=0.3)
        if context
        else FeatureTower(log.users, features=("age", "gender"), dropout=0.3)
    )
    item = FeatureTower(log.items, features=("genres", "year"), dropout=0.3)
    model = Model(user=user, item=item, tasks=[tasks.Retrieval(item_bias=True)])
    motet.fit(model, parts.train, epochs=2, batch_size=2048, average=0.98, seed=42, progress=False)
    report = motet.evaluate(model, parts.test, train=parts.train)
    return {key: report[key] for key in FIGURES}, {key: report.beside["popularity"][key] for key in FIGURES}


SPLITS = {
    "random rows": partial(split.random, log, test=0.2, seed=42),
    "the latest rows": partial(split.by_time, log, test=0.2),
}
print(f"{'test':17}{'features':22}{'top-10':>8}{'top-100':>8}   (unseen)")
for name, cut in SPLITS.items():
    parts = cut()
    without, popularity = judged(parts, context=False)
    with_context, _ = judged(parts, context=True)
    lines = {"popularity": popularity, "without the time": without, "with the time": with_context}
    for features, figures in lines.items():
        print(f"{name:17}{features:22}{figures[FIGURES[0]]:8.3f}{figures[FIGURES[1]]:8.3f}")
