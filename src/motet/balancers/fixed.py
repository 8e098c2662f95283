"""Fixed: the weights stay what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from motet.balancers.base import Balancer


class Fixed(Balancer):
    r"""The gradient of the weighted sum, $\nabla \sum_t w_t L_t$."""

    def backward(self, losses: Mapping[str, Float[Tensor, ""]], shared: Sequence[Tensor]) -> None:  # noqa: ARG002
        """Add to the gradient of every parameter; see `Balancer.backward`."""
        torch.stack(list(losses.values())).sum().backward()
