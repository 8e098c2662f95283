"""Features behind entity rows."""

from __future__ import annotations

import polars as pl
import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.data.entities import Bag
from motet.data.log import EventLog
from motet.data.schema import Numeric, Schema, Timestamp
from motet.data.vocab import Vocab
from motet.towers import FeatureTower
from motet.towers.encoders import BagEncoder

VOCAB = Vocab.build(["a", "b", "c", "d"], "letter")
BAGS = st.lists(st.lists(st.integers(1, 4), max_size=3), min_size=1, max_size=6)


@given(st.data(), BAGS)
def test_bags_are_gathered_by_row(data: st.DataObject, bags: list[list[int]]) -> None:
    rows = data.draw(st.lists(st.integers(0, len(bags) - 1), min_size=1, max_size=8))
    codes = torch.tensor([code for bag in bags for code in bag], dtype=torch.int64)
    offsets = torch.tensor([0, *(len(bag) for bag in bags)]).cumsum(0)
    encoder = BagEncoder(Bag(codes, offsets, VOCAB), dim=3, init_scale=0.1, sparse=False)
    for row, vector in zip(rows, encoder(torch.tensor(rows)), strict=True):
        mean = encoder.embedding.weight[bags[row]].mean(0) if bags[row] else torch.zeros(3)
        torch.testing.assert_close(vector, mean)


def test_a_number_in_buckets_is_not_bound_to_a_line() -> None:
    frame = pl.DataFrame({"user_id": [1, 2, 3, 4], "item_id": [1, 1, 2, 2], "age": [10, 20, 60, 70]})
    log = EventLog.read(frame, Schema(user_features={"age": Numeric(buckets=2)}))
    tower = FeatureTower(log.users, dim=4)
    tower.prepare(log)
    young, _, old, _ = tower(log.batch()) - tower.ids.weight[log.batch().users]
    rows = tower.features.encoders[0].embedding.embedding.weight  # type: ignore[union-attr]
    torch.testing.assert_close(torch.stack([young, old]), rows[1:])


def test_times_stay_exact_in_a_model_of_another_type() -> None:
    first = 1_700_000_001
    frame = pl.DataFrame({"user_id": [1, 2, 3], "item_id": [1, 1, 1], "joined": [first, first + 2, None]})
    log = EventLog.read(frame, Schema(user_features={"joined": Timestamp()}))
    tower = FeatureTower(log.users, dim=4, init_scale=1.0)
    tower.prepare(log)
    before = tower(log.batch())
    assert torch.equal(tower.double().float()(log.batch()), before)
