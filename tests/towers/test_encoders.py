"""Features behind entity rows."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.data.entities import Bag
from motet.data.vocab import Vocab
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
