"""Listwise ranking: learn the order of a user's ratings, compared with learning the ratings themselves.

Compare several seeds before you prefer one loss: on this data they differ by a few thousandths.
"""

from __future__ import annotations

from typing import Any, Literal

import torch

import motet
from motet import FeatureTower, Model, datasets, split, tasks
from motet.metrics import ListNDCG
from motet.tasks import Task

log = datasets.movielens("100k")
train, test = split.random(log, train=80_000, test=20_000, seed=42)
batch = test.batch()
LOSSES: tuple[Literal["hinge", "listmle", "lambda"], ...] = ("hinge", "listmle", "lambda")
HEAD: dict[str, Any] = {"hidden": (64,), "product": True, "biases": True}


def ndcg(scores: torch.Tensor) -> float:
    """How well scores order each user's test rows: 1 if every list is in the order of its ratings."""
    metric = ListNDCG()
    metric.update(scores, batch["rating"], batch.users)
    return metric.compute()


def trained(task: Task) -> float:
    """NDCG of a model with this single task."""
    torch.manual_seed(42)
    model = Model(
        user=FeatureTower(log.users, features=(), dropout=0.4),
        item=FeatureTower(log.items, features=("genres", "year"), dropout=0.4),
        tasks=[task],
    )
    motet.fit(model, train, epochs=6, batch_size=8192, average=0.98, seed=42, progress=False)
    with torch.no_grad():
        return ndcg(model.score(batch)["rating"])


# Without a model: items by their number of ratings, and by their mean rating, shrunk to the global mean.
seen = train.batch()
counts = torch.bincount(seen.items, minlength=len(log.items))
stars = torch.bincount(seen.items, weights=seen["rating"], minlength=len(log.items))
liked = (stars + 5 * seen["rating"].mean()) / (counts + 5)

print(f"{'any order':28} NDCG {ndcg(torch.rand(len(batch), generator=torch.Generator().manual_seed(42))):.4f}")
print(f"{'popularity':28} NDCG {ndcg(counts[batch.items].float()):.4f}")
print(f"{'mean stars of the item':28} NDCG {ndcg(liked[batch.items].float()):.4f}")
print(f"{'squared error':28} NDCG {trained(tasks.Rating('rating', **HEAD)):.4f}")
for loss in LOSSES:
    print(f"{f'listwise, {loss}':28} NDCG {trained(tasks.Listwise('rating', loss=loss, **HEAD)):.4f}")
