"""Products of fields against loops."""

from __future__ import annotations

import pytest
import torch

from motet.layers import dot_interaction, factorisation_machine


@pytest.mark.parametrize("with_itself", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_dots(count: int, with_itself: bool) -> None:
    fields = torch.randn(4, count, 3)
    pairs = [(i, j) for i in range(count) for j in range(i + with_itself)]
    found = dot_interaction(fields, with_itself=with_itself)
    assert found.shape == (4, len(pairs))
    for column, (i, j) in enumerate(pairs):
        torch.testing.assert_close(found[:, column], (fields[:, i] * fields[:, j]).sum(1))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_machine_sums_all_pairs(count: int) -> None:
    fields = torch.randn(4, count, 3, dtype=torch.float64)
    by_hand = torch.zeros(4, dtype=torch.float64)
    for i in range(count):
        for j in range(i):
            by_hand += (fields[:, i] * fields[:, j]).sum(1)
    torch.testing.assert_close(factorisation_machine(fields), by_hand)


def test_the_order_of_fields_does_not_matter_to_the_sum_and_only_permutes_the_dots() -> None:
    fields = torch.randn(4, 5, 3)
    turned = fields.flip(1)
    torch.testing.assert_close(factorisation_machine(turned), factorisation_machine(fields), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(dot_interaction(turned).sort(1).values, dot_interaction(fields).sort(1).values)
