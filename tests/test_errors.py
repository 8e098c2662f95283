"""Arguments of a wrong type are refused at the door, with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from motet import EventLog, FeatureTower, Model, Recommender, Report, Schema, calibrate, evaluate, fit
from motet.balancers import Uncertainty
from motet.baselines import Popularity
from motet.errors import ConfigError
from motet.optim import Composite
from motet.tasks import Catalogue, InBatch, Rating, Retrieval, WithContext
from motet.towers import HistoryTower, SequenceTower

TABLE = pl.DataFrame({"user_id": [1, 1, 2], "item_id": [5, 6, 5], "rating": [3.0, 5.0, 4.0]})
LOG = EventLog.read(TABLE, Schema(signals=("rating",)))
READ = "DataFrame(...) must be of type EventLog; pass EventLog.read(...)"


class Own(Catalogue):
    """A pool that motet does not know."""


def model(**changed: Any) -> Model:
    parts = {"user": FeatureTower(LOG.users, dim=2), "item": FeatureTower(LOG.items, dim=2), "tasks": [Retrieval()]}
    return Model(**{**parts, **changed})


def trained(**arguments: Any) -> object:
    return fit(model(), **{"train": LOG, "epochs": 1, "progress": False, **arguments})


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (lambda: Retrieval(pool="catalogue"), "pool='catalogue' must be of type Pool; write pool=Catalogue()"),
        (lambda: Retrieval(pool=Catalogue), "pool is the class Catalogue; write pool=Catalogue()"),
        (lambda: Retrieval(pool=Own), "pool is the class Own; write pool=Own()"),
        (lambda: Retrieval(pool="all"), "pool='all' must be of type Pool; pass one of Catalogue(), InBatch()"),
        (lambda: WithContext("Event", ["price"]), "task='Event' must be of type PairTask; write task=Event(...)"),
        (lambda: InBatch(extra="uniform"), "extra='uniform' says no number; write how many to draw, such as extra={'u"),
        (lambda: SequenceTower("user_id", LOG.items), "entities='user_id' must be of type Entities; pass log.users or"),
        (
            lambda: SequenceTower(LOG.users, "items"),
            "items='items' must be of type Entities or Embedding or int; pass l",
        ),
        (
            lambda: HistoryTower(LOG.users, "items"),
            "others='items' must be of type Entities or list or tuple; pass log.",
        ),
        (lambda: Composite(LOG, []), "model=EventLog(...) must be of type Module; pass the model itself"),
        (
            lambda: Composite(model(), [("Adam", None)]),
            "parts[0][0]='Adam' must be of type Callable; pass what makes one",
        ),
        (lambda: FeatureTower(LOG), "entities=EventLog(...) must be of type Entities; pass log.users or log.items"),
        (lambda: model(user="FeatureTower"), "user='FeatureTower' must be of type Tower; write user=FeatureTower(...)"),
        (
            lambda: model(tasks=Rating()),
            "tasks=Rating(...) must be of type list or tuple; write a list, such as tasks=",
        ),
        (lambda: model(tasks=["rating"]), "tasks[0]='rating' must be of type Task; write tasks[0]=Rating()"),
        (lambda: model(trunk="mmoe"), "trunk='mmoe' must be of type Trunk; write trunk=MMoE()"),
        (lambda: model(trunk=Catalogue), "trunk=Catalogue must be of type Trunk; pass one of CrossNetwork("),
        (lambda: model(balancer=Uncertainty), "balancer is the class Uncertainty; write balancer=Uncertainty()"),
        (lambda: model(preference=True), "preference=True must be of type Preference; pass Preference()"),
        (lambda: EventLog.read(TABLE, None), "schema=None must be of type Schema; pass Schema()"),
        (lambda: fit("model", LOG), "model='model' must be of type Model; write model=Model(...)"),
        (lambda: trained(train=TABLE), "train=DataFrame(...) must be of type EventLog or Mix; pass one of EventLog.re"),
        (lambda: trained(validation=TABLE), f"validation={READ}"),
        (lambda: trained(early_stopping=3), "early_stopping=3 must be of type EarlyStopping; pass EarlyStopping("),
        (lambda: trained(optimizer="Adam"), "optimizer='Adam' must be of type Optimizer or Callable; pass what makes"),
        (lambda: evaluate(model(), TABLE, train=LOG), f"test={READ}"),
        (lambda: calibrate(model(), TABLE), f"log={READ}"),
        (lambda: Popularity(TABLE), f"train={READ}"),
        (lambda: Report({"a": 1.0}).versus({"a": 2.0}, "a"), "other=dict(...) must be of type Report; pass"),
        (lambda: Recommender(LOG, model()), "model=EventLog(...) must be of type Model; pass Model(...)"),
        (lambda: Recommender(model(), TABLE), f"log={READ}"),
        (lambda: Recommender(model(), LOG, index="exact"), "index='exact' must be of type ExactIndex or Approximate"),
    ],
)
def test_an_argument_of_a_wrong_type(mistake: Callable[[], object], told: str) -> None:
    with pytest.raises(ConfigError, match="^" + re.escape(told)):
        mistake()
