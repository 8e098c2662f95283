from __future__ import annotations

import math

import pytest

from motet.metrics.bounds import bounds
from motet.metrics.direction import LOWER
from motet.tasks import Event, Listwise, Rating, Retrieval
from motet.tasks.base import Task


@pytest.mark.parametrize("task", [Event("clicked"), Listwise("stars"), Rating("stars"), Retrieval()])
def test_the_figures_of_tasks_have_a_range(task: Task) -> None:
    for name, metric in task.metrics().items():
        for key in metric.parts(name):
            low, high = bounds(f"{task.name}/{key}")
            assert low == 0
            assert high == 1 or key in LOWER


def test_nothing_is_known_of_other_figures() -> None:
    assert bounds("clicked/lift@10") == bounds("auc/revenue") == (-math.inf, math.inf)
