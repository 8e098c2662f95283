"""ClippyAdagrad: Adagrad with steps bounded relative to the weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from motet.errors import ConfigError, did_you_mean
from motet.optim.base import OneByOne

Accumulate = Literal["after", "clipped", "before"]


class ClippyAdagrad(OneByOne):
    r"""Adagrad whose steps are bounded relative to the weights, for dense and for sparse gradients.

    $$ \delta = \eta \, g / \sqrt{a + \epsilon}, \qquad
       \theta \leftarrow \theta - \delta \cdot \min\Big(1, \min_i
       \frac{\lambda_\theta |\theta_i| + \lambda_a / \sqrt{a_i + \epsilon} + \lambda}{|\delta_i|}\Big) $$

    A single factor shrinks the whole step of a tensor (or of the rows with a gradient, if it is sparse), so the
    direction does not change. This stabilises models whose losses have very different scales and whose gradients spike.
    Defaults and order of operations are those of TensorFlow Recommenders' experimental optimizer; the paper uses a
    learning rate of 1 and a larger `absolute_threshold`.

    A weight that starts at 0, such as a bias, can change by at most `absolute_threshold` per step, and so holds back
    its whole tensor: raise the threshold for such tensors, or give them another optimizer (`Composite`).

    `state[parameter]["factor"]` is the factor of the last step; 1 if it was not shrunk.

    Args:
        params: Parameters, or parameter groups.
        lr: Learning rate.
        initial_accumulator_value: Initial value of the accumulators.
        variable_relative_threshold: Largest change of a weight relative to its size.
        accumulator_relative_threshold: Additional change allowed, as a multiple of one over the root of the
            accumulator; it tightens as training proceeds.
        absolute_threshold: Change that is always allowed.
        eps: Keeps the root away from 0.
        accumulate: When the accumulator adds the squared gradient: `"after"` the step; after the step and `"clipped"`
            like it, which suits gradients with outliers; or `"before"` the step, as in Adagrad.

    Raises:
        ConfigError: If a setting is negative or `accumulate` is unknown.

    Source:
        Tang et al., "Improving Training Stability for Multitask Ranking Models in Recommender Systems", KDD 2023,
        algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        *,
        lr: float = 1e-3,
        initial_accumulator_value: float = 0.1,
        variable_relative_threshold: float = 0.1,
        accumulator_relative_threshold: float = 0.0,
        absolute_threshold: float = 1e-7,
        eps: float = 1e-7,
        accumulate: Accumulate = "after",
    ) -> None:
        numbers = {
            "lr": lr,
            "initial_accumulator_value": initial_accumulator_value,
            "variable_relative_threshold": variable_relative_threshold,
            "accumulator_relative_threshold": accumulator_relative_threshold,
            "absolute_threshold": absolute_threshold,
            "eps": eps,
        }
        for name, value in numbers.items():
            if not value >= 0:
                raise ConfigError(f"{name}={value}; it must be 0 or more")
        if accumulate not in get_args(Accumulate):
            raise ConfigError(
                f"accumulate={accumulate!r} is not one of {', '.join(map(repr, get_args(Accumulate)))}"
                f"{did_you_mean(accumulate, get_args(Accumulate))}"
            )
        super().__init__(params, {**numbers, "accumulate": accumulate})

    def move(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        """Update one parameter; see `OneByOne.move`."""
        state = self.state[parameter]
        if not state:
            state["accumulator"] = torch.full_like(parameter, group["initial_accumulator_value"])
        accumulator = state["accumulator"]
        if not grad.is_sparse:
            state["factor"] = _step(parameter, accumulator, grad, group)
            return
        grad = grad.coalesce()  # gradients of the same row are summed before they are squared
        rows = grad.indices()[0]
        weights, sums = parameter[rows], accumulator[rows]
        state["factor"] = _step(weights, sums, grad.values(), group)
        parameter[rows], accumulator[rows] = weights, sums


def _step(weights: Tensor, accumulator: Tensor, grad: Tensor, group: dict[str, Any]) -> Tensor:
    """Update weights and accumulator in place; return the factor of the step."""
    if group["accumulate"] == "before":
        accumulator.addcmul_(grad, grad)
    scale = (accumulator + group["eps"]).rsqrt_()
    delta = grad * scale * group["lr"]
    allowed = weights.abs() * group["variable_relative_threshold"] + group["absolute_threshold"]
    allowed += scale * group["accumulator_relative_threshold"]
    room = torch.where(delta == 0, 1.0, allowed / delta.abs())
    factor = room.amin().clamp(max=1.0) if room.numel() else delta.new_ones(())  # a sparse gradient may have no rows
    weights.addcmul_(delta, factor, value=-1.0)
    if group["accumulate"] != "before":
        taken = grad * factor if group["accumulate"] == "clipped" else grad
        accumulator.addcmul_(taken, taken)
    return factor
