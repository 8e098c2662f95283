from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from motet.index import cosine
from motet.index.cosine import Cosine


def test_as_a_full_sort_would_find(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    vectors[7] = vectors[3] * 2
    vectors[9] = 0
    rows = torch.tensor([3, 49, 9, 0])
    whole = F.normalize(vectors)[rows] @ F.normalize(vectors).T
    whole[torch.arange(4), rows] = -torch.inf
    for scores in (1 << 20, 40):
        monkeypatch.setattr(cosine, "SCORES", scores)
        hits = Cosine(vectors).others(rows, 5)
        torch.testing.assert_close(hits.scores, whole.topk(5).values)
        assert hits.rows[0, 0] == 7
        assert hits.rows[2].tolist() == [0, 1, 2, 3, 4]  # a vector of zeros is like none
        torch.testing.assert_close(whole.gather(1, hits.rows), hits.scores)
    assert Cosine(vectors).others(rows[:0], 5).rows.shape == (0, 5)
