"""Uncertainty: a learned noise of each task weights its loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from motet.balancers.base import Balancer


class Uncertainty(Balancer):
    r"""Losses divided by a learned variance.

    $$ L = \sum_t \frac{1}{2} \big( e^{-s_t} L_t + s_t \big) $$

    with $s_t$ the log variance of task t, which starts at 0. It converges to where $e^{s_t}$ is the task's loss, so the
    scale of a loss does not matter in the end: the model's weights change where training starts, not where it ends. The
    log variances are parameters of the model, trained by its optimizer. The variance of a task without a label in the
    batch, whose loss is exactly 0, does not change.

    Source:
        Kendall et al., "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics", CVPR
        2018, eq. 7, in the logarithms of its section 3.2.
    """

    def build(self, tasks: Sequence[str]) -> None:
        """Make one log variance a task.

        Args:
            tasks: Their names.
        """
        self.places = {name: place for place, name in enumerate(tasks)}
        self.log_variances = nn.ParameterList(nn.Parameter(torch.zeros(())) for _ in tasks)

    def backward(self, losses: Mapping[str, Float[Tensor, ""]], shared: Sequence[Tensor]) -> None:  # noqa: ARG002
        """Add to the gradient of every parameter, the log variances included; see `Balancer.backward`."""
        torch.stack([self._weighed(name, loss) for name, loss in losses.items()]).sum().backward()

    def _weighed(self, name: str, loss: Tensor) -> Tensor:
        if name not in self.places or float(loss.detach()) == 0:
            return loss
        log_variance: Tensor = self.log_variances[self.places[name]]
        return 0.5 * ((-log_variance).exp() * loss + log_variance)
