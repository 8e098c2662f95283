from __future__ import annotations

import pytest
import torch

from motet.baselines.positives import Positives
from motet.data.batch import Batch


@pytest.fixture
def positives() -> Positives:
    users, items = torch.tensor([2, 1, 2, 0, 1, 2]), torch.tensor([3, 1, 3, 1, 0, 1])
    batch = Batch({"user_id": users, "item_id": items})
    return Positives.of(batch, torch.tensor([0.5, 1.0, 0.75, 1.0, 1.0, 0.0]), (3, 4))


def test_each_pair_once_with_its_largest_weight(positives: Positives) -> None:
    assert list(zip(*(part.tolist() for part in positives[:3]), strict=True)) == [(1, 1, 1.0), (2, 3, 0.75)]


def test_matrix(positives: Positives) -> None:
    assert positives.matrix("a test").toarray().tolist() == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0.75]]
