"""A custom objective: a `Model` without tasks that overrides `compute_loss`.

Here it is Bayesian personalised ranking, which ranks a user's film above a random one; `tasks.BPR` is the built-in way.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

import motet
from motet import Batch, FeatureTower, Model, datasets, split


class PersonalisedRanking(Model):
    """Trained on pairs: a film that the user watched, and one drawn from the catalogue."""

    def compute_loss(self, batch: Batch) -> dict[str, Tensor]:
        """The pairwise logistic loss."""
        user, taken = self(batch)
        drawn = torch.randint(1, len(self.item.entities), batch.items.shape, device=batch.items.device)
        other = self.item(batch.entities(batch.item_key, drawn))
        return {"ranking": -logsigmoid((user * (taken - other)).sum(1)).mean()}


log = datasets.movielens("100k")
train, test = split.random(log, train=80_000, test=20_000, seed=42)
model = PersonalisedRanking(
    user=FeatureTower(log.users, features=()), item=FeatureTower(log.items, features=()), tasks=[]
)
history = motet.fit(model, train, epochs=3, batch_size=2048, seed=42)
print(history)
