"""Neighbours: cosines of who had what."""

from __future__ import annotations

import polars as pl
import pytest
import torch

from motet.data import neighbours
from motet.data.log import EventLog
from motet.data.neighbours import Neighbours
from motet.data.schema import Schema
from motet.errors import ConfigError, DataError

USERS, ITEMS = 19, 14


def events(rows: int = 300) -> EventLog:
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randint(1, size + 1, (rows,), generator=generator).tolist() for size in (USERS, ITEMS))
    frame = pl.DataFrame({"user_id": users, "item_id": items, "event": ["view", "view", "buy"] * (rows // 3)})
    tables = (pl.DataFrame({key: range(1, size + 1)}) for key, size in (("user_id", USERS), ("item_id", ITEMS)))
    return EventLog.read(frame, Schema(event="event"), **dict(zip(("users", "items"), tables, strict=True)))


def reference(log: EventLog, shrinkage: float) -> torch.Tensor:
    batch, had = log.batch(), torch.zeros(USERS + 1, ITEMS + 1)
    had[batch.users, batch.items] = 1.0
    sizes = had.sum(0)
    alike = (had.T @ had) / ((sizes[:, None] * sizes).sqrt() + shrinkage).clamp(min=1e-12)
    return alike.fill_diagonal_(0.0)


@pytest.mark.parametrize("block", [1, 4, 512])
def test_similarity_is_the_shrunken_cosine(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(neighbours, "VALUES", block * len(events().users))
    found = Neighbours.of(events(), shrinkage=3.0)
    item, other = torch.meshgrid(torch.arange(15), torch.arange(15), indexing="ij")
    torch.testing.assert_close(found.similarity(item, other), reference(events(), 3.0))


def test_only_the_nearest_are_kept() -> None:
    found = Neighbours.of(events(), most=2)
    assert (torch.bincount(found.pairs // 15) <= 2).all()
    line = reference(events(), 10.0)[3]
    assert sorted(found.similarities[found.pairs // 15 == 3].tolist()) == pytest.approx(
        line.topk(2)[0].flip(0).tolist()
    )


def test_events_that_repeat_count_once() -> None:
    log = events()
    once, again = (Neighbours.of(each) for each in (log, log.take(torch.arange(len(log)).repeat(2))))
    assert torch.equal(once.similarities, again.similarities)


def test_a_condition_chooses_the_events() -> None:
    log = events()
    bought = log.take(log.columns["event"] == int(log.vocabs["event"].encode(["buy"])[0]))
    chosen, alone = Neighbours.of(log, where="event == 'buy'"), Neighbours.of(bought)
    assert torch.equal(chosen.pairs, alone.pairs)
    assert torch.equal(chosen.similarities, alone.similarities)
    with pytest.raises(DataError, match="compares 'event' with 'bye', which it never is; did you mean 'buy'"):
        Neighbours.of(log, where="event == 'bye'")


def test_nothing_in_common_is_no_neighbour() -> None:
    apart = EventLog.read(pl.DataFrame({"user_id": [1, 2], "item_id": [1, 2]}), Schema())
    assert Neighbours.of(apart).similarity(torch.tensor([1]), torch.tensor([2])).tolist() == [0.0]


@pytest.mark.parametrize(
    ("wrong", "words"), [({"most": 0}, "most=0 neighbours"), ({"shrinkage": -1.0}, "shrinkage=-1.0; it must be 0")]
)
def test_a_number_out_of_range_is_refused(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Neighbours.of(events(), **wrong)  # type: ignore[arg-type]
