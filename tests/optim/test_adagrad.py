"""Keras' Adagrad."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from motet.errors import ConfigError
from motet.optim import Adagrad


def test_a_step_of_adagrad_by_hand() -> None:
    parameter = nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = Adagrad([parameter], lr=0.5)
    for gradient in ([2.0, 0.0], [1.0, -1.0]):
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    first = 1 - 0.5 * 2 / (0.1 + 4 + 1e-7) ** 0.5 - 0.5 / (0.1 + 5 + 1e-7) ** 0.5
    second = 2 + 0.5 / (0.1 + 1 + 1e-7) ** 0.5
    torch.testing.assert_close(parameter.data, torch.tensor([first, second]))


def test_sparse_gradients_move_as_dense_ones() -> None:
    tables = [nn.Parameter(torch.arange(12.0).view(6, 2)) for _ in range(2)]
    optimizers = [Adagrad([table], lr=0.3) for table in tables]
    for rows in ([1, 4, 1], [0, 0, 0], [5, 4, 3]):
        for table, optimizer, sparse in zip(tables, optimizers, (False, True), strict=True):
            optimizer.zero_grad()
            (F.embedding(torch.tensor(rows), table, sparse=sparse) ** 2).sum().backward()
            optimizer.step()
    torch.testing.assert_close(*tables)


def test_adagrad_returns_what_the_closure_returns() -> None:
    parameter = nn.Parameter(torch.ones(1))

    def closure() -> float:
        loss = (parameter**2).sum()
        loss.backward()
        return loss.item()

    assert Adagrad([parameter], lr=0.1).step(closure) == 1.0
    assert parameter.item() < 1


def test_errors() -> None:
    parameter = nn.Parameter(torch.ones(1))
    with pytest.raises(ConfigError, match=r"lr=-0.1; it must be 0 or more"):
        Adagrad([parameter], lr=-0.1)
