"""Each entity is embedded once in a batch, whoever asks."""

from __future__ import annotations

import polars as pl
import pytest
import torch
from torch import Tensor

from motet.data.batch import Batch
from motet.data.log import EventLog
from motet.data.schema import Schema
from motet.towers import FeatureTower, Vectors


@pytest.fixture
def tower() -> FeatureTower:
    log = EventLog.read(pl.DataFrame({"user_id": [1] * 6, "item_id": [1, 2, 3, 4, 5, 6]}), Schema())
    return FeatureTower(log.items, dim=3)


def embedded(tower: FeatureTower, rows: list[int]) -> Tensor:
    vectors: Tensor = tower(Batch({"item_id": torch.tensor(rows)}))
    return vectors


def test_vectors_are_those_of_the_tower_in_the_order_asked_for(tower: FeatureTower) -> None:
    vectors = Vectors(tower)
    for rows in ([4, 0, 4], [2, 4, 6, 1], [0]):
        assert torch.equal(vectors(torch.tensor(rows)), embedded(tower, rows))


def test_what_is_there_is_not_embedded_again(tower: FeatureTower) -> None:
    vectors = Vectors(tower)
    given = torch.rand(2, 3)
    vectors.add(given, torch.tensor([2, 5]))
    assert torch.equal(vectors(torch.tensor([5, 2, 5])), given[[1, 0, 1]])
    assert len(vectors.parts) == 1
    vectors(torch.tensor([6, 5, 1, 6]))
    assert [rows.tolist() for rows in vectors.rows if rows is not None] == [[2, 5], [1, 6]]
    assert torch.equal(vectors(torch.tensor([6, 2])), torch.stack([vectors.parts[1][1], given[0]]))


def test_vectors_of_single_rows_answer_for_no_entity(tower: FeatureTower) -> None:
    vectors = Vectors(tower)
    vectors.add(torch.rand(4, 3), None)
    assert torch.equal(vectors(torch.tensor([3])), embedded(tower, [3]))
    assert [None if rows is None else rows.tolist() for rows in vectors.rows] == [None, [3]]


def test_the_parts_hold_the_whole_gradient(tower: FeatureTower) -> None:
    vectors = Vectors(tower)
    vectors.add(embedded(tower, [1, 2]), torch.tensor([1, 2]))
    loss = vectors(torch.tensor([1, 3, 3])).sum() + vectors(torch.tensor([2, 3])).square().sum()
    parts = torch.autograd.grad(loss, vectors.parts, retain_graph=True)
    (table,) = torch.autograd.grad(loss, [tower.ids.weight])
    torch.testing.assert_close(torch.cat(parts), table[[1, 2, 3]])
