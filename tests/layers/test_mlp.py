"""The multi-layer perceptron."""

from __future__ import annotations

import math

import pytest
import torch

from motet.errors import ConfigError
from motet.layers import MLP, linear
from motet.layers import mlp as blocks
from motet.layers.mlp import side_by_side


def test_formula() -> None:
    mlp = MLP(4, hidden=(5, 3), out_dim=2)
    first, second, last = mlp.layers
    x = torch.randn(7, 4)
    hidden = (x @ first.weight.T + first.bias).clamp(min=0)
    hidden = (hidden @ second.weight.T + second.bias).clamp(min=0)
    torch.testing.assert_close(mlp(x), hidden @ last.weight.T + last.bias)


def test_starts_as_keras_does() -> None:
    layer = linear(300, 100)
    limit = math.sqrt(6 / 400)
    assert 0.99 * limit < layer.weight.abs().max() <= limit
    assert abs(layer.weight.std().item() - limit / math.sqrt(3)) < 0.01 * limit
    assert not layer.bias.any()


@pytest.mark.parametrize(("hidden", "out_dim", "width"), [((), None, 4), ((), 2, 2), ((6,), None, 6), ((6, 5), 1, 1)])
def test_width(hidden: tuple[int, ...], out_dim: int | None, width: int) -> None:
    mlp = MLP(4, hidden=hidden, out_dim=out_dim)
    assert mlp.out_dim == width
    assert mlp(torch.zeros(2, 3, 4)).shape == (2, 3, width)


def test_shares_and_widths_are_checked() -> None:
    for dropout in (1.0, -0.1, math.nan):
        with pytest.raises(ConfigError, match=r"dropout=.*: the share of values to drop must satisfy 0 <= dropout < 1"):
            MLP(4, hidden=(5,), dropout=dropout)
    for hidden, out_dim in (((5, 0), 1), ((-1,), None), ((5,), 0)):
        with pytest.raises(ConfigError, match=r"hidden=.*, out_dim=.*; every layer has at least width 1"):
            MLP(4, hidden=hidden, out_dim=out_dim)


def test_without_output_it_ends_in_relu() -> None:
    assert (MLP(4, hidden=(50,))(torch.randn(20, 4)) >= 0).all()


def test_dropout_follows_hidden_layers_in_training_only() -> None:
    mlp = MLP(4, hidden=(400,), dropout=0.5)
    x = torch.randn(1, 4)
    whole = mlp.eval()(x)
    kept = mlp.train()(x)
    dropped = (kept == 0) & (whole > 0)
    assert 0.3 < dropped.sum() / (whole > 0).sum() < 0.7
    torch.testing.assert_close(kept[kept > 0], 2 * whole[kept > 0])


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize(("hidden", "out_dim"), [((), 2), ((6,), None), ((6, 5), 1), ((5,), 3)])
def test_gradient_is_that_of_the_formula(
    hidden: tuple[int, ...], out_dim: int | None, dropout: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 18)  # blocks of three rows and less
    mlp = MLP(4, hidden=hidden, out_dim=out_dim, dropout=dropout).double()
    for layer in mlp.layers:
        layer.bias.data.normal_()  # away from 0, where ReLU has no derivative
    x = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)

    def drawn_alike(*_: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return mlp(x)

    assert torch.autograd.gradcheck(drawn_alike, (x, *mlp.parameters()))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    mlp, x = MLP(4, hidden=(6, 5), out_dim=1), torch.randn(10, 4)
    whole = mlp(x)
    monkeypatch.setattr(blocks, "BLOCK", 18)
    torch.testing.assert_close(mlp(x), whole)
    with torch.no_grad():
        torch.testing.assert_close(mlp(x), whole)
    assert mlp(x[:0]).shape == (0, 1)


SHAPES = [((1, 1), (1, 7)), ((3, 1), (3, 4)), ((3, 1, 1), (3, 1, 5), (3, 2, 5)), ((1, 1), (6, 1))]


@pytest.mark.parametrize("hidden", [(), (6, 5)])
@pytest.mark.parametrize("shapes", SHAPES)
def test_parts_that_broadcast_are_read_as_their_concatenation(
    shapes: tuple[tuple[int, ...], ...], hidden: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    mlp = MLP(4 * len(shapes), hidden=hidden, out_dim=2)
    parts = [torch.randn(*shape, 4, requires_grad=True) for shape in shapes]
    inputs = [*parts, *mlp.parameters()]
    whole, apart = mlp(torch.cat([part.expand(*shapes[-1], 4) for part in parts], -1)), mlp(*parts)
    torch.testing.assert_close(apart, whole)
    gradients = (torch.autograd.grad(out.square().sum(), inputs) for out in (apart, whole))
    torch.testing.assert_close(*gradients)
    for block in (6, 18, blocks.BLOCK):  # a row, some rows, all rows at a time
        monkeypatch.setattr(blocks, "BLOCK", block)
        with torch.no_grad():
            torch.testing.assert_close(mlp(*parts), whole)


def test_only_vectors_of_the_same_rows_are_concatenated() -> None:
    user, item, more = torch.randn(3, 1, 2), torch.randn(3, 5, 4), torch.randn(3, 5, 1)
    shared, own = side_by_side(user, item, more)
    assert shared is user
    assert torch.equal(own, torch.cat([item, more], -1))
    (rows,) = side_by_side(item, more)
    assert torch.equal(rows, own)
