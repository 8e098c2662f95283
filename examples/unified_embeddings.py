"""Unified embeddings: one table of fixed size for all ids and features, for vocabularies that are too large.

Hash functions choose two rows of the table for each value. Values that share one row rarely share the other, so a table
that is far too small for one row per value still tells most values apart.
"""

from __future__ import annotations

import torch

import motet
from motet import FeatureTower, Model, datasets, split, tasks
from motet.towers import HashedTower, Tower

TOP_10, TOP_100 = "retrieval/unseen/hit_rate@10", "retrieval/unseen/hit_rate@100"
USER, ITEM = ("age", "gender", "occupation", "zip_code"), ("genres", "year")
log = datasets.movielens("100k")
train, test = split.random(log, train=80_000, test=20_000, seed=42)


def judge(name: str, user: Tower, item: Tower) -> None:
    """Train two towers for retrieval, and print their size and hit rates."""
    model = Model(user=user, item=item, tasks=[tasks.Retrieval()])
    motet.fit(model, train, epochs=4, batch_size=4096, average=0.98, seed=42, progress=False)
    report = motet.evaluate(model, test, train=train, protocols=["unseen"], baselines=False)
    size = sum(parameter.numel() for tower in (user, item) for parameter in tower.parameters())
    print(f"{name:28}{size:>9,} parameters   top-10 {report[TOP_10]:.3f}   top-100 {report[TOP_100]:.3f}", flush=True)


popular = motet.evaluate(motet.baselines.Popularity(train), test, train=train, protocols=["unseen"])
found = [popular[f"popularity/unseen/hit_rate@{k}"] for k in (10, 100)]
print(f"{'popularity':28}{0:>9,} parameters   top-10 {found[0]:.3f}   top-100 {found[1]:.3f}")
torch.manual_seed(42)
judge(
    "one row per value",
    FeatureTower(log.users, features=USER, dropout=0.3),
    FeatureTower(log.items, features=ITEM, dropout=0.3),
)
for rows in (2000, 500):
    judge(
        f"hashed, {rows:,} rows per side",
        HashedTower(log.users, rows=rows, features=USER, dropout=0.3),
        HashedTower(log.items, rows=rows, features=ITEM, dropout=0.3),
    )
