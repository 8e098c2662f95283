from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from motet.metrics import Attributes, intra_list_diversity
from motet.metrics import diversity as module


@pytest.fixture
def vectors() -> Tensor:
    found = torch.randn(13, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    found[6] = 0
    return found


@pytest.fixture
def lists() -> Tensor:
    generator = torch.Generator().manual_seed(6)
    lines = torch.stack([torch.randperm(12, generator=generator)[:5] + 1 for _ in range(7)])
    lines[0, 1:] = 0
    lines[1] = 0
    lines[2, 2:] = 0
    return lines


def by_pairs(lists: Tensor, vectors: Tensor) -> float:
    """Every pair of every list."""
    lines = []
    for line in lists:
        own = vectors[line[line > 0]]
        gaps = [1 - F.cosine_similarity(a, b, dim=0) for i, a in enumerate(own) for j, b in enumerate(own) if i != j]
        lines += [float(torch.stack(gaps).mean())] if gaps else []
    return sum(lines) / len(lines)


def test_is_the_loop_over_pairs(lists: Tensor, vectors: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = by_pairs(lists, vectors)
    assert intra_list_diversity(lists, Attributes.dense(vectors)) == pytest.approx(expected)
    assert intra_list_diversity(lists, Attributes.dense(3 * vectors)) == pytest.approx(expected)
    monkeypatch.setattr(module, "_lines", lambda *_: 2)  # in blocks
    assert intra_list_diversity(lists, Attributes.dense(vectors)) == pytest.approx(expected)


def test_what_items_have_is_a_vector_of_ones(lists: Tensor) -> None:
    genres = torch.rand(13, 6, generator=torch.Generator().manual_seed(7)) < 0.3
    genres[0] = False
    rows, columns = genres.nonzero(as_tuple=True)
    twice = Attributes.of(rows.repeat(2), columns.repeat(2), size=13)
    assert intra_list_diversity(lists, twice) == pytest.approx(by_pairs(lists, genres.double()))


def test_the_ends_of_the_scale() -> None:
    alike = Attributes.dense(torch.ones(4, 2))
    assert intra_list_diversity(torch.tensor([[1, 2, 3]]), alike) == pytest.approx(0)
    opposite = Attributes.dense(torch.tensor([[0.0], [1.0], [-1.0]]))
    assert intra_list_diversity(torch.tensor([[1, 2]]), opposite) == pytest.approx(2)
    nothing = Attributes.of(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), size=4)
    assert intra_list_diversity(torch.tensor([[1, 2, 3]]), nothing) == 1


def test_lists_of_one_have_no_diversity() -> None:
    assert math.isnan(intra_list_diversity(torch.tensor([[1, 0], [0, 0]]), Attributes.dense(torch.ones(2, 2))))
