from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch

from motet.calibration import calibrate
from motet.data.log import EventLog
from motet.data.schema import Categorical, Numeric, Schema
from motet.export import export
from motet.index import ApproximateIndex
from motet.model import Model
from motet.recommender import Recommender
from motet.tasks import Event, Rating, Retrieval
from motet.towers import FeatureTower, Tower

USERS, ITEMS = 8, 12


@pytest.fixture(scope="session")
def shop() -> EventLog:
    generator = torch.Generator().manual_seed(0)
    draw = lambda low, high: torch.randint(low, high, (60,), generator=generator).tolist()  # noqa: E731
    events = pl.DataFrame(
        {
            "user_id": draw(1, USERS + 1),
            "item_id": [f"film {number}" for number in draw(0, ITEMS)],
            "stars": draw(1, 6),
            "click": draw(0, 2),
        }
    )
    users = pl.DataFrame({"user_id": range(1, USERS + 1), "age": range(20, 28), "job": ["cook", "clerk"] * 4})
    features = {"age": Numeric(), "job": Categorical()}
    return EventLog.read(events, Schema(signals=("stars", "click"), user_features=features), users=users)


def train(log: EventLog, user: Tower | None = None, **parts: object) -> Recommender:
    torch.manual_seed(0)
    model = Model(
        user=FeatureTower(log.users, dim=4) if user is None else user,
        item=FeatureTower(log.items, dim=4),
        tasks=[Retrieval(heads=2, item_bias=True), Rating("stars", biases=True, hidden=(8,)), Event("click")],
        **parts,  # type: ignore[arg-type]
    )
    model.prepare(log)
    return Recommender(model, log)


@pytest.fixture(scope="session")
def saved(shop: EventLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "model"
    plain = train(shop)
    calibrate(plain.model, shop)
    index = ApproximateIndex(plain.ranker.index.vectors)
    recommender = Recommender(plain.model, shop, index=index, by={"stars": 1.0, "click": 0.5})
    recommender.save(path, run='{"name": "films", "seed": 3, "about": "the last tenth", "format": 1}')
    return path


@pytest.fixture(scope="session")
def artifact(saved: Path) -> Path:
    path = saved.with_name("artifact")
    export(saved, path)
    return path
