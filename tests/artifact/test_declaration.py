from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
import torch

from motet.artifact.declaration import Within, describe, rebuild
from motet.data.log import EventLog
from motet.data.schema import Numeric, Schema
from motet.errors import ArtifactError
from motet.model import Model
from motet.tasks import Catalogue, InBatch, Rating, Retrieval
from motet.towers import ContentTower, FeatureTower, FieldTower
from motet.trunks import PLE, CrossNetwork, Interaction, MMoE, SharedBottom, Trunk


@pytest.fixture
def log() -> EventLog:
    events = pl.DataFrame({"user_id": [1, 1, 2], "item_id": ["a", "b", "a"], "stars": [4.0, 2.0, 5.0]})
    users = pl.DataFrame({"user_id": [1, 2], "age": [20, 30]})
    return EventLog.read(events, Schema(signals=("stars",), user_features={"age": Numeric()}), users=users)


def make(log: EventLog) -> Model:
    return Model(
        user=ContentTower(log.users, dim=6, hidden=(5,), dropout=0.1),
        item=FeatureTower(log.items, dim=6, features=(), cross_layers=1, init_scale=0.1),
        tasks=[
            Retrieval(pool=Catalogue(spare="history"), temperature=0.5, item_bias=True),
            Retrieval("second", pool=InBatch(extra={"uniform": 3}, log_q=False, hardest=2), heads=2, reduction="sum"),
            Rating("stars", hidden=(7, 3), biases=True, clip=(1.0, 5.0), error="huber"),
        ],
        weights={"retrieval": 2.0, "second": 0.0},
    )


def test_survives_json(log: EventLog) -> None:
    model = make(log)
    declaration = json.loads(json.dumps(describe(model)))
    again = rebuild(declaration, log.users, log.items)
    assert describe(again) == declaration == json.loads(json.dumps(describe(again)))
    assert again.weights == {"retrieval": 2.0, "second": 0.0, "stars": 1.0}
    again.load_state_dict(model.state_dict())
    assert isinstance(again.tasks["second"], Retrieval)
    assert again.tasks["second"].pool.config() == {
        "extra": {"uniform": 3},
        "log_q": False,
        "spare": "nothing",
        "hardest": 2,
    }


@pytest.mark.parametrize(
    "trunk",
    [
        SharedBottom((5, 3), product=True),
        MMoE(3, hidden=(5,), dropout=0.1),
        PLE(shared=1, own=3, layers=2, hidden=(5, 3)),
        Interaction(4, products="sum", hidden=(5,)),
        CrossNetwork(1, rank=2, hidden=(5,)),
    ],
    ids=lambda trunk: type(trunk).__name__,
)
def test_trunks_survive_json(log: EventLog, trunk: Trunk) -> None:
    towers = {"user": FieldTower(log.users, field_dim=4), "item": FeatureTower(log.items, dim=8)}
    model = Model(**towers, tasks=[Rating("stars", hidden=())], trunk=trunk)
    declaration = json.loads(json.dumps(describe(model)))
    again = rebuild(declaration, log.users, log.items)
    assert describe(again) == describe(model)
    again.load_state_dict(model.state_dict())
    scores = [each.eval().score(log.batch())["stars"] for each in (model, again)]
    assert torch.equal(*scores)


def test_a_class_of_the_callers_own_is_not_described(log: EventLog) -> None:
    class Mine(Model): ...

    class Rating(FeatureTower): ...  # the name of one of motet's classes makes it none

    parts: dict[str, Any] = {"item": FeatureTower(log.items), "tasks": [Retrieval()]}
    assert describe(Mine(user=FeatureTower(log.users), **parts)) is None
    assert describe(Model(user=Rating(log.users), **parts)) is None


def test_unknown_classes_and_arguments_are_named(log: EventLog) -> None:
    declaration = describe(make(log))
    assert declaration is not None
    declaration["user"]["class"] = "GraphTower"
    with pytest.raises(
        ArtifactError, match="the model uses a GraphTower, which this motet does not have; upgrade motet"
    ):
        rebuild(declaration, log.users, log.items)
    declaration["user"]["class"] = "EventLog"  # only towers, tasks and their parts are looked up
    with pytest.raises(ArtifactError, match="the model uses a EventLog, which this motet does not have"):
        rebuild(declaration, log.users, log.items)
    declaration["user"] = {"class": "FeatureTower", "config": {"dim": 6, "wings": 2}}
    with pytest.raises(
        ArtifactError, match=r"the model's FeatureTower does not fit this motet: .*'wings'; upgrade motet"
    ):
        rebuild(declaration, log.users, log.items)


@pytest.mark.parametrize(
    ("place", "value"), [("user", {"dim": 10**9}), ("trunk", {"experts": 10**9}), ("user", {"hidden": [5] * 10**5})]
)
def test_no_more_is_made_than_weights_are_there_for(log: EventLog, place: str, value: dict[str, Any]) -> None:
    model = Model(
        user=ContentTower(log.users, dim=6, hidden=(5,)),
        item=FeatureTower(log.items, dim=6),
        tasks=[Rating("stars", hidden=())],
        trunk=MMoE(3, hidden=(5,)),
    )
    declaration: dict[str, Any] = describe(model) or {}
    with Within(weights=0, tensors=len(model.state_dict())):
        rebuild(declaration, log.users, log.items)
    declaration[place]["config"] |= value
    words = "the model is far larger than its weights"
    with pytest.raises(ArtifactError, match=words), Within(weights=4_000, tensors=len(model.state_dict())):
        rebuild(declaration, log.users, log.items)
