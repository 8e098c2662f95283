"""GradNorm: weights that equalise the tasks' gradient norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from motet.balancers.base import Balancer
from motet.balancers.conflict import task_gradients
from motet.errors import ConfigError


class GradNorm(Balancer):
    r"""Weights that follow the norms of the gradients at the shared vectors.

    $$ G_t = \|\nabla w_t L_t\|, \qquad
       w_t \leftarrow w_t \exp \Big( -\eta \, \mathrm{sign}(G_t - \bar G \, r_t^\alpha) \, G_t / \bar G \Big) $$

    where $r_t$ is the ratio of a task's loss to its first loss, relative to the mean of these ratios: a task that has
    learned less gets a higher weight. The step is that of the paper's loss, taken in the logarithm of the weight and
    relative to the mean norm, so that weights stay positive. Weights start where the norms of the first batch are
    equal, not at 1 as in the paper: with losses a thousand times apart, 1 is many steps away, and Adam's moments
    remember these steps. The weights of the tasks in a batch keep their sum, which is K over all K tasks; an absent
    task keeps its own.

    Args:
        alpha: How much slow tasks are favoured; 0 makes the norms equal, 1.5 is the paper's for unlike tasks.
        lr: Rate of the weights' own steps.

    Raises:
        ConfigError: If `alpha` or `lr` is negative, or a model's losses come without shared vectors.

    Source:
        Chen et al., "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks", ICML
        2018, algorithm 1.
    """

    log_weights: Tensor
    first: Tensor

    def __init__(self, *, alpha: float = 1.5, lr: float = 0.025) -> None:
        super().__init__()
        for name, value in (("alpha", alpha), ("lr", lr)):
            if not value >= 0:
                raise ConfigError(f"{name}={value}; it must be 0 or more")
        self.alpha = alpha
        self.lr = lr

    def build(self, tasks: Sequence[str]) -> None:
        """Make one weight a task.

        Args:
            tasks: Their names.
        """
        self.places = {name: place for place, name in enumerate(tasks)}
        self.register_buffer("log_weights", torch.zeros(len(tasks)))
        self.register_buffer("first", torch.full((len(tasks),), float("nan")))

    def backward(self, losses: Mapping[str, Float[Tensor, ""]], shared: Sequence[Tensor]) -> None:
        """Add to the gradient of every parameter, then move the weights; see `Balancer.backward`."""
        known = {name: loss for name, loss in losses.items() if name in self.places}
        if len(known) > 1 and not shared:
            raise ConfigError(
                "GradNorm needs the vectors that the tasks share; return the result of Model.losses from compute_loss"
            )
        norms = {name: gradient.norm() for name, gradient in task_gradients(known, shared).items()} if shared else {}
        active = [name for name, norm in norms.items() if float(norm) > 0 and float(known[name].detach()) > 0]
        seen = (
            [self.places[name] for name in active],
            torch.stack([norms[name] for name in active] or [self.first.new_zeros(())]),
            torch.stack([known[name].detach() for name in active] or [self.first.new_zeros(())]),
        )
        if len(active) > 1:
            self._meet(*seen)
        weights = self.log_weights.exp()
        scaled = [weights[self.places[name]] * loss if name in known else loss for name, loss in losses.items()]
        torch.stack(scaled).sum().backward()
        if len(active) > 1:
            self._adapt(*seen)

    def weights(self) -> dict[str, float]:
        """The current weight of each task."""
        return dict(zip(self.places, self.log_weights.exp().tolist(), strict=True))

    def _meet(self, places: list[int], norms: Tensor, losses: Tensor) -> None:
        """Give tasks that join others for the first time the same gradient norm as these."""
        new = self.first[places].isnan()
        if new.any():
            before = self.log_weights[places]
            pulls = before.exp() * norms
            common = pulls.mean() if new.all() else pulls[~new].mean()
            self._settle(places, torch.where(new, (common / norms).log(), before))
            self.first[places] = torch.where(new, losses, self.first[places])

    def _adapt(self, places: list[int], norms: Tensor, losses: Tensor) -> None:
        """One step of the weights of the tasks that have a gradient."""
        before = self.log_weights[places]
        pulls = before.exp() * norms
        left = losses / self.first[places]
        target = pulls.mean() * (left / left.mean()) ** self.alpha
        excess = torch.where((pulls - target).abs() > 1e-4 * target, (pulls - target).sign(), 0.0)  # ignores rounding
        self._settle(places, before - self.lr * excess * pulls / pulls.mean())

    def _settle(self, places: list[int], log_weights: Tensor) -> None:
        """New weights with the sum of the old ones."""
        total = self.log_weights[places].logsumexp(0)
        self.log_weights[places] = log_weights - log_weights.logsumexp(0) + total
