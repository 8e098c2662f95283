"""Moving average of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from motet.errors import ConfigError


class WeightAverage:
    r"""An exponential moving average of a model's parameters.

    $$ \bar\theta \leftarrow d_n \bar\theta + (1 - d_n) \theta, \qquad d_n = \min(d, (1 + n) / (10 + n)) $$

    Args:
        model: The model whose parameters to average.
        decay: Weight of the old average at each step, below 1; smaller in the first steps, when the average lags far
            behind.

    Raises:
        ConfigError: If the decay is not in [0, 1).

    Source:
        Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM 1992; the warm-up is that
        of TensorFlow's `ExponentialMovingAverage`.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"decay={decay}; the decay of an average must be in [0, 1)")
        self.decay = decay
        self.steps = 0
        self.parameters: list[Tensor] = list(model.parameters())
        self.averages = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Move the average one step towards the parameters."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.averages, self.parameters, 1 - decay)
        self.steps += 1

    @torch.no_grad()
    def swap(self) -> None:
        """Swap parameters and averages; a second call restores them."""
        for parameter, average in zip(self.parameters, self.averages, strict=True):
            held = parameter.clone()
            parameter.copy_(average)
            average.copy_(held)
