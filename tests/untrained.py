"""A small model as it was initialised, for tests of what happens around a model."""

from __future__ import annotations

import torch

from motet.data.log import EventLog
from motet.model import Model
from motet.recommender import Recommender
from motet.tasks import Rating, Retrieval
from motet.towers import FeatureTower


def untrained(log: EventLog, *, seed: int = 0) -> Recommender:
    """Recommends from vectors of width 4; the log has `stars`."""
    torch.manual_seed(seed)
    user, item = FeatureTower(log.users, dim=4), FeatureTower(log.items, dim=4)
    return Recommender(Model(user=user, item=item, tasks=[Retrieval(), Rating("stars")]), log)
