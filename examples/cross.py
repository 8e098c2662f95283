"""Deep & Cross (DCN): cross layers, which multiply features, compared with hidden layers alone, on film ratings.

A trunk sits between the vectors of both towers and the heads of the tasks. `FieldTower` keeps a separate vector for
each feature, so the cross layers can multiply every feature of the user with every feature of the film.
"""

from __future__ import annotations

import torch

import motet
from motet import EarlyStopping, Model, datasets, split, tasks
from motet.towers import FieldTower
from motet.trunks import CrossNetwork, SharedBottom, Trunk

log = datasets.movielens("100k")
train, test = split.random(log, train=80_000, test=20_000, seed=42)
learn, validation = split.random(train, test=0.05, seed=42)


def rmse(trunk: Trunk) -> tuple[float, int]:
    """Error on the test rows, and number of parameters of the trunk."""
    torch.manual_seed(42)
    model = Model(
        user=FieldTower(log.users, field_dim=16, features=("age", "gender", "occupation")),
        item=FieldTower(log.items, field_dim=16, features=("genres", "year")),
        tasks=[tasks.Rating("rating", hidden=())],  # a linear head leaves the interactions to the trunk
        trunk=trunk,
    )
    motet.fit(
        model,
        learn,
        epochs=10,
        batch_size=2048,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.005, weight_decay=0.1),
        average=0.98,
        validation=validation,
        early_stopping=EarlyStopping("rating/rmse", patience=1),
        progress=False,
    )
    error = motet.evaluate(model, test, train=train, baselines=False)["rating/rmse"]
    return error, sum(parameter.numel() for parameter in trunk.parameters())


labels = test.batch()["rating"]
print(f"{'global mean':36} RMSE {(labels - train.batch()['rating'].mean()).square().mean().sqrt():.4f}")
for name, trunk in {
    "hidden layers 128, 64": SharedBottom(hidden=(128, 64), dropout=0.3),
    "2 cross layers, hidden 64": CrossNetwork(2, hidden=(64,), dropout=0.3),
    "2 cross layers of rank 28, hidden 64": CrossNetwork(2, rank=28, hidden=(64,), dropout=0.3),
}.items():
    error, size = rmse(trunk)
    print(f"{name:36} RMSE {error:.4f}   {size:6,} parameters in the trunk")
