"""Ranking with feature interactions: DLRM and DCN-v2 on MovieLens 100K.

A `FieldTower` keeps separate vectors for id, age, genres and so on; the trunk multiplies every pair of them (DLRM: dot
products; DCN: cross layers), and the head predicts the rating.
"""

from __future__ import annotations

import torch

import motet
from motet import EarlyStopping, Model, datasets, split, tasks
from motet.towers import FieldTower
from motet.trunks import CrossNetwork, Interaction, Trunk

log = datasets.movielens("100k")
train, test = split.random(log, train=80_000, test=20_000, seed=42)
learn, validation = split.random(train, test=0.05, seed=42)

trunks: dict[str, Trunk] = {
    "DLRM": Interaction(16, hidden=(64,), dropout=0.3),
    "factorisation machine": Interaction(16, products="sum", hidden=(64,), dropout=0.3),
    "DCN-v2, rank 8": CrossNetwork(2, rank=8, hidden=(64,), dropout=0.3),
}
for name, trunk in trunks.items():
    torch.manual_seed(42)
    model = Model(
        user=FieldTower(log.users, field_dim=16, features=["gender", "age", "occupation"]),
        item=FieldTower(log.items, field_dim=16, features=["genres", "year"]),
        tasks=[tasks.Rating("rating", hidden=(), biases=True, clip=(1, 5))],
        trunk=trunk,
    )
    history = motet.fit(
        model,
        learn,
        epochs=6,
        batch_size=2048,
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=0.005, weight_decay=0.1),
        average=0.99,
        validation=validation,
        early_stopping=EarlyStopping("rating/rmse", patience=2),
        seed=42,
        progress=False,
    )
    report = motet.evaluate(model, test, train=train)
    beside = report.beside["global mean"]["rating/rmse"]
    print(f"{name}: RMSE {report['rating/rmse']:.4f} after {len(history)} epochs; global mean {beside:.4f}", flush=True)
