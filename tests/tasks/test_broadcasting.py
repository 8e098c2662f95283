"""Users with several items each, beside the same pairs one by one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.model import Model
from motet.tasks import Event, Funnel, Listwise, Ordinal, Rating, Retrieval, Task, WithContext
from motet.towers import FeatureTower
from motet.trunks import MMoE, SharedBottom, Trunk

STAGES = ("clicked", "bought")
TASKS: list[Callable[[], Task]] = [
    lambda: Retrieval(item_bias=True),
    lambda: Retrieval(heads=3, item_bias=True),
    lambda: Rating(hidden=(8, 4), biases=True),
    lambda: Rating(hidden=(), product=True),
    lambda: Event("bought", focal=2.0, biases=True),
    lambda: Funnel(stages=STAGES, biases=True),
    lambda: Ordinal(levels=(1, 2, 3, 4, 5), product=True, biases=True),
    lambda: Listwise("rating", biases=True),
    lambda: WithContext(Event("bought", product=True), ["weight"]),
    lambda: WithContext(Funnel(stages=STAGES, stage="clicked"), ["weight"], vectors=False),
]


@pytest.mark.parametrize(
    ("build", "trunk"),
    [
        *((build, None) for build in TASKS),
        *((build, SharedBottom((6,), product=True)) for build in TASKS[2:]),
        (TASKS[2], MMoE(2, hidden=(6,))),
    ],
)
def test_scores_are_those_of_single_pairs(build: Callable[[], Task], trunk: Trunk | None, log: EventLog) -> None:
    torch.manual_seed(0)
    task = build()
    user, item = FeatureTower(log.users, dim=4), FeatureTower(log.items, dim=4)
    model = Model(user=user, item=item, tasks=[task], trunk=trunk)
    model.prepare(log)
    for parameter in model.parameters():
        parameter.data.normal_()  # biases too
    rows, users, items = torch.arange(12).view(3, 4), torch.tensor([[2], [0], [5]]), log.batch().items[:12].view(3, 4)
    for dtype, close in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        model.to(dtype)
        vectors, context = torch.randn(3, 1, 4, dtype=dtype), {"weight": rows.to(dtype) - 3}
        columns = {"user_id": users, "item_id": items, **context}
        flat = {name: column.expand(3, 4).flatten() for name, column in columns.items()}
        with torch.no_grad():
            candidates = item.ids(items)
            many = model.score_vectors(vectors, candidates, Batch(columns))[task.name]
            single = model.score_vectors(vectors.expand(3, 4, 4).flatten(0, 1), candidates.flatten(0, 1), Batch(flat))
        torch.testing.assert_close(many, single[task.name].view(3, 4), rtol=close, atol=close / 10)
        assert many.std() > 0
