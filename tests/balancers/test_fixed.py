"""Fixed weights."""

from __future__ import annotations

import torch

from motet.balancers import Fixed


def test_the_gradient_is_that_of_the_sum() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    Fixed().backward({"a": x.square().sum(), "b": 3 * x.sum()}, (x,))
    torch.testing.assert_close(x.grad, 2 * x.detach() + 3)
