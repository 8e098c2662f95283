"""Adagrad as Keras defines it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from motet.errors import ConfigError
from motet.optim.base import OneByOne


class Adagrad(OneByOne):
    r"""Adagrad as Keras defines it, for dense and for sparse gradients.

    $$ a \leftarrow a + g^2, \qquad \theta \leftarrow \theta - \eta \, g / \sqrt{a + \epsilon} $$

    Unlike in `torch.optim.Adagrad`, epsilon is inside the root and the accumulator starts at .1, which keeps the first
    steps short. With a sparse gradient, a step reads and writes only the rows that have one.

    Args:
        params: Parameters, or parameter groups.
        lr: Learning rate.
        initial_accumulator_value: Initial value of the accumulators.
        eps: Keeps the root away from 0.

    Raises:
        ConfigError: If a setting is negative.

    Source:
        Duchi et al., "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", JMLR 2011, eq. 1;
        the constants are those of Keras.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        *,
        lr: float = 1e-3,
        initial_accumulator_value: float = 0.1,
        eps: float = 1e-7,
    ) -> None:
        for name, value in (("lr", lr), ("initial_accumulator_value", initial_accumulator_value), ("eps", eps)):
            if not value >= 0:
                raise ConfigError(f"{name}={value}; it must be 0 or more")
        super().__init__(params, {"lr": lr, "initial_accumulator_value": initial_accumulator_value, "eps": eps})

    def move(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        """Update one parameter; see `OneByOne.move`."""
        lr, eps, state = group["lr"], group["eps"], self.state[parameter]
        if not state:
            state["accumulator"] = torch.full_like(parameter, group["initial_accumulator_value"])
        accumulator = state["accumulator"]
        if not grad.is_sparse:
            accumulator.addcmul_(grad, grad)
            parameter.addcdiv_(grad, (accumulator + eps).sqrt_(), value=-lr)
            return
        grad = grad.coalesce()  # gradients of the same row are summed before they are squared
        rows, values = grad.indices()[0], grad.values()
        rows_accumulator = accumulator[rows].addcmul_(values, values)
        accumulator[rows] = rows_accumulator
        parameter.index_add_(0, rows, values / (rows_accumulator + eps).sqrt_(), alpha=-lr)
