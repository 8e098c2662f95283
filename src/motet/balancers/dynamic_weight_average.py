"""DynamicWeightAverage: a task whose loss falls slowly gets more weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from motet.balancers.base import Balancer
from motet.errors import ConfigError


class DynamicWeightAverage(Balancer):
    r"""Weights from how fast each loss fell over the last two epochs.

    $$ \lambda_t = K \, \mathrm{softmax}_t (r_t / T), \qquad r_t = L_t(e-1) / L_t(e-2) $$

    over the K tasks that are trained: a task of weight 0 takes no part. A task's ratio is 1 in its first two epochs.
    The weights neither depend on the scale of a loss nor compensate for it; they come on top of the model's weights.

    Args:
        temperature: The higher, the more equal the weights; 2 is the paper's.

    Raises:
        ConfigError: If the temperature is not positive.

    Source:
        Liu et al., "End-to-End Multi-Task Learning with Attention", CVPR 2019, eq. 7.
    """

    past: Tensor

    def __init__(self, *, temperature: float = 2.0) -> None:
        super().__init__()
        if not temperature > 0:
            raise ConfigError(f"temperature={temperature}; it divides the ratios of losses, so it must be positive")
        self.temperature = temperature

    def build(self, tasks: Sequence[str]) -> None:
        """Make room for the losses of two epochs.

        Args:
            tasks: Their names.
        """
        self.places = {name: place for place, name in enumerate(tasks)}
        self.register_buffer("past", torch.full((2, len(tasks)), float("nan")))

    def backward(self, losses: Mapping[str, Float[Tensor, ""]], shared: Sequence[Tensor]) -> None:  # noqa: ARG002
        """Add to the gradient of every parameter; see `Balancer.backward`."""
        weights = self.weights()
        torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum().backward()

    def epoch_ended(self, losses: Mapping[str, float]) -> None:
        """Record an epoch's mean losses; a task without labels in it keeps its earlier ones.

        Args:
            losses: By task; 0 for one without labels. A task that is left out, as one of weight 0 is, takes no part.
        """
        for name, place in self.places.items():
            if name not in losses:
                self.past[:, place] = torch.nan
            elif losses[name] != 0:
                self.past[:, place] = torch.stack([self.past[1, place], self.past.new_tensor(losses[name])])

    def weights(self) -> dict[str, float]:
        """The weight of each task in this epoch."""
        ratios = self.past[1] / self.past[0]
        ratios = torch.where(ratios.isfinite(), ratios, 1.0)
        taking = ~self.past[1].isnan()
        found = taking.sum() * (ratios / self.temperature).where(taking, -torch.inf).softmax(0)
        found = found.where(taking, 1.0)
        return dict(zip(self.places, found.tolist(), strict=True))
