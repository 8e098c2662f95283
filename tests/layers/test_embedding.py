"""Embedding tables."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from motet.errors import ConfigError
from motet.layers import BagEmbedding, Embedding


def test_start_is_uniform_within_the_scale() -> None:
    weight = Embedding(2_000, 16, init_scale=0.2).weight
    assert 0.199 < weight.abs().max() <= 0.2
    assert abs(weight.std().item() - 0.2 / 3**0.5) < 2e-3


@pytest.mark.parametrize("init_scale", [-0.1, math.nan, math.inf])
def test_refuses_a_scale_that_is_none(init_scale: float) -> None:
    with pytest.raises(ConfigError, match=rf"init_scale={init_scale}; the largest initial weight must be 0 or more"):
        Embedding(3, 2, init_scale=init_scale)


def test_refuses_a_width_below_one() -> None:
    with pytest.raises(
        ConfigError, match=r"weights of shape \(3, -1\); every width, such as `dim`, must be at least 1"
    ):
        Embedding(3, -1)


def test_the_global_generator_decides() -> None:
    torch.manual_seed(5)
    first = Embedding(10, 4).weight
    torch.manual_seed(5)
    assert torch.equal(first, Embedding(10, 4).weight)


def test_sparse_gradient_equals_the_dense_one() -> None:
    torch.manual_seed(0)
    codes = torch.tensor([3, 1, 3])
    grads = []
    for sparse in (False, True):
        table = Embedding(5, 2, sparse=sparse)
        (table(codes) * torch.arange(6.0).view(3, 2)).sum().backward()
        assert table.weight.grad is not None
        assert table.weight.grad.is_sparse == sparse
        grads.append(table.weight.grad.to_dense())
    assert torch.equal(*grads)


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=6))
def test_bag_is_the_mean_of_its_vectors(bags: list[list[int]]) -> None:
    table = BagEmbedding(10, 3)
    codes = torch.tensor([code for bag in bags for code in bag], dtype=torch.int64)
    sizes = torch.tensor([len(bag) for bag in bags])
    vectors = table(codes, sizes.cumsum(0) - sizes)
    for bag, vector in zip(bags, vectors, strict=True):
        mean = table.weight[bag].mean(0) if bag else torch.zeros(3)
        torch.testing.assert_close(vector, mean)
