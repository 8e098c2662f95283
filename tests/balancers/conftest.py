"""A model of three tasks that meet at two towers, one of which has a sparse table."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
import torch

from motet.balancers import Balancer
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.model import Model
from motet.tasks import Rating, Retrieval
from motet.towers import FeatureTower


@pytest.fixture
def log() -> EventLog:
    """90 events; every third has no mood."""
    generator = torch.Generator().manual_seed(3)
    draw = {name: torch.randint(n, (90,), generator=generator) for name, n in (("user_id", 9), ("item_id", 14))}
    stars = ((draw["user_id"] + draw["item_id"]) % 5).tolist()
    mood = [None if row % 3 == 0 else float(star > 2) for row, star in enumerate(stars)]
    events = {name: values.tolist() for name, values in draw.items()} | {"stars": stars, "mood": mood}
    return EventLog.read(pl.DataFrame(events), Schema(signals=("stars", "mood")))


@pytest.fixture
def build(log: EventLog) -> Callable[..., Model]:
    """Makes the model with a balancer; always the same first weights."""

    def make(balancer: Balancer, **weights: float) -> Model:
        torch.manual_seed(0)
        model = Model(
            user=FeatureTower(log.users, dim=4, features=(), sparse=True, init_scale=0.5),
            item=FeatureTower(log.items, dim=4, features=(), init_scale=0.5),
            tasks=[Rating("stars", hidden=(4,)), Rating("mood", hidden=()), Retrieval()],
            weights=weights,
            balancer=balancer,
        )
        model.prepare(log)
        return model

    return make
