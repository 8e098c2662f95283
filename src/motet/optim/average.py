"""The average of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from motet.errors import ConfigError


class WeightAverage:
    r"""An exponential moving average of a model's parameters.

    $$ \bar\theta \leftarrow d_n \bar\theta + (1 - d_n) \theta, \qquad d_n = \min(d, (1 + n) / (10 + n)) $$

    Args:
        model: Whose parameters to follow.
        decay: What the average keeps of itself at each step, below 1; less in the first steps, when it is far behind.

    Raises:
        ConfigError: If the decay is not within [0, 1).

    Source:
        Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM 1992; the warm-up is that
        of TensorFlow's `ExponentialMovingAverage`.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"decay={decay}; an average keeps a share of itself in [0, 1)")
        self.decay = decay
        self.steps = 0
        self.parameters: list[Tensor] = list(model.parameters())
        self.averages = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Take one step towards the parameters."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.averages, self.parameters, 1 - decay)
        self.steps += 1

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange parameters and averages; a second call puts them back."""
        for parameter, average in zip(self.parameters, self.averages, strict=True):
            held = parameter.clone()
            parameter.copy_(average)
            average.copy_(held)
