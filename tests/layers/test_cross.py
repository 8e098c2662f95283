"""Cross layers."""

from __future__ import annotations

import pytest
import torch

from motet.errors import ConfigError
from motet.layers import Cross


def set_weights(cross: Cross, *weights: torch.Tensor) -> None:
    for parameter, weight in zip(cross.parameters(), weights, strict=True):
        parameter.data.copy_(weight)


def test_formula() -> None:
    cross = Cross(2)
    set_weights(cross, torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([10.0, 20.0]))
    first, x = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 5.0]])
    # W x + b = (23, 49); x0 * that = (23, 98); + x = (26, 103)
    assert cross(first, x).tolist() == [[26.0, 103.0]]


def test_low_rank_equals_full_with_the_product() -> None:
    low, full = Cross(6, rank=2), Cross(6)
    down, up, bias = (parameter.data for parameter in low.parameters())
    set_weights(full, up @ down, bias + 0.5)
    set_weights(low, down, up, bias + 0.5)
    first, x = torch.randn(2, 5, 6)
    torch.testing.assert_close(low(first, x), full(first, x))
    assert sum(map(torch.numel, low.parameters())) == 2 * 6 * 2 + 6


@pytest.mark.parametrize("rank", [0, 7])
def test_rank_out_of_range(rank: int) -> None:
    with pytest.raises(
        ConfigError, match=rf"rank {rank} of a cross layer must lie between 1 and its width 6; None for full"
    ):
        Cross(6, rank=rank)


def test_each_layer_adds_a_degree() -> None:
    """Scaling the input by t scales the highest term of l layers by t to the l + 1."""
    layers = [Cross(3).double() for _ in range(2)]
    x = torch.randn(1, 3, dtype=torch.float64)
    values = []
    for t in range(5):
        first = out = t * x
        for layer in layers:
            out = layer(first, out)
        values.append(out)
    fourth = values[4] - 4 * values[3] + 6 * values[2] - 4 * values[1] + values[0]
    third = values[3] - 3 * values[2] + 3 * values[1] - values[0]
    torch.testing.assert_close(fourth, torch.zeros_like(fourth), atol=1e-9, rtol=0)
    assert third.abs().min() > 0
