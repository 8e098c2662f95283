from __future__ import annotations

import pytest
import torch

from motet.baselines import EASE
from motet.data.log import EventLog
from motet.errors import ConfigError


def test_each_item_is_a_ridge_regression_on_the_others(tastes: EventLog) -> None:
    had = torch.zeros(61, 23, dtype=torch.float64)
    had[tastes.batch().users, tastes.batch().items] = 1
    scores = EASE(tastes, regularization=7).scores(torch.arange(1, 61)[:, None], torch.arange(23))
    for item in (3, 14, 21):
        others = [row for row in range(23) if row != item]
        given = had[:, others]
        weights = torch.linalg.solve(given.T @ given + 7 * torch.eye(22), given.T @ had[:, item])
        assert torch.allclose(scores[:, item], (given @ weights)[1:].float(), atol=1e-5)


def test_weights_of_rows_weigh(tastes: EventLog) -> None:
    users, items = torch.arange(1, 61)[:, None], torch.arange(23)
    plain, rated = (EASE(tastes, where=where).scores(users, items) for where in (None, "rating >= 4"))
    assert not torch.allclose(plain, rated)


def test_no_regularization_is_refused(tastes: EventLog) -> None:
    with pytest.raises(ConfigError, match=r"regularization=0.0; it must be above 0"):
        EASE(tastes, regularization=0.0)
