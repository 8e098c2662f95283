"""Found: candidates in lines."""

from __future__ import annotations

import math

import torch

from motet.retrievers import Found


def test_lines_have_their_pairs_and_nothing_else() -> None:
    who, items = torch.tensor([0, 2, 2, 3]), torch.tensor([7, 5, 6, 7])
    found = Found.of(who, items, 5, torch.tensor([0.5, 0.2, -1.0, 2.0]))
    assert found.rows.tolist() == [[7, 0], [0, 0], [5, 6], [7, 0], [0, 0]]
    assert found.scores is not None
    assert (found.scores == -math.inf).equal(found.rows == 0)
    assert sorted(found.scores[found.rows > 0].tolist()) == [-1.0, 0.20000000298023224, 0.5, 2.0]


def test_nobody_finds_nothing() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    assert Found.of(nothing, nothing, 0).rows.shape == (0, 0)
    assert Found.of(nothing, nothing, 2).rows.shape == (2, 0)
