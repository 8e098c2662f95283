from __future__ import annotations

import pytest
import torch

from motet.errors import ConfigError
from motet.optim.step import step


def test_gradients_that_an_optimizer_does_not_take() -> None:
    table = torch.nn.Embedding(3, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(
        ConfigError, match=r"AdamW cannot train this model \(.*: towers with sparse=True have tables with"
    ):
        step(torch.optim.AdamW(table.parameters()))
    before = table.weight.detach().clone()
    step(torch.optim.SGD(table.parameters(), lr=1.0))
    assert (before - table.weight).sum(1).tolist() == pytest.approx([0, 2, 0])


def test_other_errors_stay_as_they_are() -> None:
    class Broken(torch.optim.SGD):
        def step(self, closure: object = None) -> None:  # type: ignore[override]  # noqa: ARG002
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        step(Broken([torch.nn.Parameter(torch.ones(1))]))
