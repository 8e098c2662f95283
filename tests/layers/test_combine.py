"""Several vectors into one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from motet.errors import ConfigError
from motet.layers import Combine


def test_sum_without_a_network() -> None:
    parts = list(torch.randn(3, 5, 4))
    combine = Combine(3, 4)
    assert not list(combine.parameters())
    torch.testing.assert_close(combine(parts), parts[0] + parts[1] + parts[2])


def test_one_part_comes_out_as_it_went_in() -> None:
    part = torch.randn(5, 4)
    assert Combine(1, 4)([part]) is part


@pytest.mark.parametrize(("hidden", "cross_layers"), [((7,), 0), ((), 2), ((7, 6), 1)])
def test_network_over_the_parts_side_by_side(hidden: tuple[int, ...], cross_layers: int) -> None:
    combine = Combine(3, 4, hidden=hidden, cross_layers=cross_layers)
    parts = list(torch.randn(3, 5, 4))
    first = out = torch.cat(parts, dim=1)
    for cross in combine.crosses:
        out = cross(first, out)
    assert combine.mlp is not None
    torch.testing.assert_close(combine(parts), combine.mlp(out))
    assert combine(parts).shape == (5, 4)


@pytest.mark.parametrize("cross_layers", [0, 1])
def test_dropout_of_the_output_where_nothing_is_hidden(cross_layers: int) -> None:
    combine = Combine(1, 200, cross_layers=cross_layers, dropout=0.5)
    part = torch.rand(3, 200) + 1
    assert (combine.train()([part]) == 0).float().mean() > 0.3
    assert (combine.eval()([part]) != 0).all()


def test_dropout_of_hidden_layers_leaves_the_output_whole() -> None:
    combine = Combine(1, 200, hidden=(50,), dropout=0.5)
    part = torch.rand(3, 200) + 1
    assert (combine.train()([part]) != 0).all()
    assert not torch.equal(combine([part]), combine([part]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parts": 0}, "there is nothing to combine: name at least one feature, or keep the ids"),
        ({"dim": 0}, "a layer of width 0: `dim` and every width in `hidden` must be at least 1"),
        ({"hidden": (8, -1)}, "a layer of width -1"),
        ({"cross_layers": -1}, "cross_layers=-1: the number of layers must be 0 or more"),
        ({"dropout": 1.0}, "dropout=1.0: the share of values to drop must satisfy 0 <= dropout < 1"),
        ({"dropout": -0.1}, "dropout=-0.1"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Combine(**{"parts": 2, "dim": 4, **arguments})
