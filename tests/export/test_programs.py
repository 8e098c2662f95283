from __future__ import annotations

import numpy as np
import torch

from export.conftest import train
from motet.data.log import EventLog
from motet.export import programs, serving
from motet.export.onnx import run
from motet.model import Model
from motet.preference import Preference
from motet.recommender import Recommender
from motet.tasks import Event
from motet.towers import ContextTower, FeatureTower, HistoryTower
from motet.trunks import PLE


def test_programs_give_what_the_model_gives(shop: EventLog) -> None:
    scorer = train(shop, trunk=PLE(hidden=(5,)), preference=Preference()).scorer
    traced = programs(scorer)
    assert traced.table == ""
    for size in (1, 2, 9):
        rows, items, told = torch.arange(size), torch.arange(size).flip(0), -torch.rand(3)
        asked = serving.asked(scorer, rows, told)
        for found, expected in zip(traced.user.module()(rows, told), asked.values(), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        scored = serving.scored(scorer, asked["vector"], rows, items)
        found = traced.rank.module()(asked["vector"], scorer.items[items], rows, items)
        torch.testing.assert_close(found, tuple(scored.values()), rtol=1e-5, atol=1e-5)


def test_inputs_that_no_task_reads_stay(shop: EventLog) -> None:
    model = Model(user=FeatureTower(shop.users, dim=4), item=FeatureTower(shop.items, dim=4), tasks=[Event("click")])
    recommender = Recommender(model, shop)
    files = dict(serving.files(recommender))
    feeds = {name: np.zeros((2, 4), dtype=np.float32) for name in serving.PAIR[:2]}
    rows = {name: np.ones(2, dtype=np.int64) for name in serving.PAIR[2:]}
    assert run("rank", files[serving.RANK], feeds | rows).keys() == {"score/click"}
    assert "serving/candidates.npy" not in files  # no task ranks the catalogue


def test_a_tower_of_context_becomes_a_table(shop: EventLog) -> None:
    scorer = train(shop, ContextTower(shop.users, context={"stars": "numeric"}, dim=4)).scorer
    assert programs(scorer).table == "a ContextTower reads the context of a request"


def test_a_tower_of_histories_becomes_a_table(shop: EventLog) -> None:
    scorer = train(shop, HistoryTower(shop.users, shop.items, dim=4)).scorer
    traced = programs(scorer)
    assert traced.table == "a HistoryTower reads histories of users"
    rows = torch.arange(9)
    vector, _ = traced.user.module()(rows)
    assert torch.equal(vector, scorer.users(rows))
