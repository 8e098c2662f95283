"""Deeper towers: hidden layers over the features of each side; validation rows choose how many."""

from __future__ import annotations

import torch

import motet
from motet import EarlyStopping, FeatureTower, Model, datasets, split, tasks

METRIC = "retrieval/unseen/hit_rate@100"
log = datasets.movielens("100k")
train, test = split.random(log, train=80_000, test=20_000, seed=42)
learn, validation = split.random(train, test=0.1, seed=42)


def build(hidden: tuple[int, ...]) -> Model:
    """Two towers with the same layers; without hidden layers a tower sums the vectors of id and features."""
    torch.manual_seed(42)
    return Model(
        user=FeatureTower(log.users, dim=32, features=("age", "gender", "occupation"), hidden=hidden, dropout=0.3),
        item=FeatureTower(log.items, dim=32, features=("genres", "year"), hidden=hidden, dropout=0.3),
        tasks=[tasks.Retrieval(item_bias=True)],
    )


def train_one(hidden: tuple[int, ...]) -> tuple[Model, float]:
    """The model of the best epoch, and its metric on the validation rows."""
    model = build(hidden)
    history = motet.fit(
        model,
        learn,
        epochs=5,
        batch_size=4096,
        validation=validation,
        early_stopping=EarlyStopping(METRIC, patience=1),
        seed=42,
        progress=False,
    )
    best = history[f"validation/{METRIC}"].max()
    assert isinstance(best, float)
    return model, best


found = {hidden: train_one(hidden) for hidden in ((), (64,), (128, 64))}
for hidden, (_, figure) in found.items():
    print(f"hidden layers {hidden!s:10} validation top-100, unseen: {figure:.3f}")

# Only the model that validation chose is evaluated on the test rows, once.
chosen = max(found, key=lambda hidden: found[hidden][1])
print(f"chosen: {chosen}")
print(motet.evaluate(found[chosen][0], test, train=train, protocols=["unseen"]))
