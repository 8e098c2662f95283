"""Writes vectors that a model learned from the clicks of a simulated shop, as `prepare` writes drawn ones; `FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from motet import EventLog, FeatureTower, Model, fit, simulate, split, tasks

USERS, ITEMS, IMPRESSIONS, HELD_OUT = 30_000, 80_000, 3_000_000, 150_000


def pairs(log: EventLog) -> np.ndarray:
    """Distinct pairs of a user and an item, sorted, as one number; rows count from 0."""
    batch = log.batch()
    known = (batch.users > 0) & (batch.items > 0)
    cells = (batch.users[known] - 1) * (len(log.items) - 1) + batch.items[known] - 1
    return np.unique(cells.numpy())


def main() -> None:
    """Draw the shop, train and write."""
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    log = simulate.shop(USERS, ITEMS, seed=0, impressions=IMPRESSIONS, click_rate=0.15).log
    log = log.take((log.columns["clicked"] == 1).nonzero()[:, 0])
    train, test = split.random(log, test=HELD_OUT, seed=0)
    user, item = (FeatureTower(side, dim=64, features=()) for side in (log.users, log.items))
    fit(Model(user=user, item=item, tasks=[tasks.Retrieval()]), train, epochs=6, batch_size=16_384, progress=False)
    seen = pairs(train)
    for name, found in (("test", np.setdiff1d(pairs(test), seen)), ("seen", seen)):
        np.save(folder / f"{name}.npy", np.stack(divmod(found, len(log.items) - 1)))
    for name, tower in (("user", user), ("item", item)):
        np.save(folder / f"{name}.npy", tower.ids.weight[1:].detach().numpy())


if __name__ == "__main__":
    main()
