"""Neighbours: cosines of who had what."""

from __future__ import annotations

import pytest
import torch

from motet.data import neighbours
from motet.data.batch import Batch
from motet.data.neighbours import Neighbours
from motet.errors import ConfigError


def events(rows: int = 300, users: int = 20, items: int = 15) -> Batch:
    generator = torch.Generator().manual_seed(0)
    draw = [torch.randint(0, size, (rows,), generator=generator) for size in (users, items)]
    return Batch({"user_id": draw[0], "item_id": draw[1]})


def reference(batch: Batch, shrinkage: float) -> torch.Tensor:
    had = torch.zeros(20, 15)
    had[batch.users, batch.items] = 1.0
    had[0], had[:, 0] = 0.0, 0.0
    sizes = had.sum(0)
    alike = (had.T @ had) / ((sizes[:, None] * sizes).sqrt() + shrinkage).clamp(min=1e-12)
    return alike.fill_diagonal_(0.0)


@pytest.mark.parametrize("block", [4, 512])
def test_similarity_is_the_shrunken_cosine(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(neighbours, "ITEMS", block)
    found = Neighbours.of(events(), users=20, items=15, shrinkage=3.0)
    item, other = torch.meshgrid(torch.arange(15), torch.arange(15), indexing="ij")
    torch.testing.assert_close(found.similarity(item, other), reference(events(), 3.0))


def test_only_the_nearest_are_kept() -> None:
    found = Neighbours.of(events(), users=20, items=15, most=2)
    assert (torch.bincount(found.pairs // 15) <= 2).all()
    line = reference(events(), 10.0)[3]
    assert sorted(found.similarities[found.pairs // 15 == 3].tolist()) == pytest.approx(
        line.topk(2)[0].flip(0).tolist()
    )


def test_events_that_repeat_count_once() -> None:
    batch = events()
    twice = Batch({name: column.repeat(2) for name, column in batch.columns.items()})
    once, again = (Neighbours.of(each, users=20, items=15) for each in (batch, twice))
    assert torch.equal(once.similarities, again.similarities)


def test_nothing_in_common_is_no_neighbour() -> None:
    apart = Batch({"user_id": torch.tensor([1, 2]), "item_id": torch.tensor([1, 2])})
    found = Neighbours.of(apart, users=3, items=3)
    assert found.similarity(torch.tensor([1]), torch.tensor([2])).tolist() == [0.0]


@pytest.mark.parametrize(
    ("wrong", "words"), [({"most": 0}, "most=0 neighbours"), ({"shrinkage": -1.0}, "shrinkage=-1.0; it must be 0")]
)
def test_a_number_out_of_range_is_refused(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Neighbours.of(events(), users=20, items=15, **wrong)  # type: ignore[arg-type]
