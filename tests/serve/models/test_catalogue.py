from __future__ import annotations

import pytest
import torch

from motet.serve.models import catalogue


@pytest.mark.parametrize("limit", [1, 3, 10, 40, 50])
def test_the_largest_counts_come_first_and_the_first_among_equals(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    counts = torch.randint(4, (40,), generator=torch.Generator().manual_seed(limit)).float()
    expected = counts.argsort(descending=True, stable=True)[:limit]
    for part in (1, 7, 40, 100):
        monkeypatch.setattr(catalogue, "PART", part)
        assert catalogue._largest(counts, limit).equal(expected)
    assert not len(catalogue._largest(counts[:0], limit))
