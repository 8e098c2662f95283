"""Precision: the share of the list that is relevant."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from motet.metrics.per_query import PerQuery


class Precision(PerQuery):
    r"""The share of the top k that are positives of the user, averaged over users.

    $$ Precision_q@k = \frac{\#\{j : place_{qj} \le k\}}{k} $$

    If a user has fewer than k positives, or there are fewer than k candidates, even a perfect list stays below 1.

    Args:
        k: Length of the list.

    Example:
        >>> precision = Precision(2)
        >>> precision.update(torch.tensor([1.0, 2.0, 2.0]), torch.tensor([7, 7, 8]))
        >>> precision.compute()
        0.75
    """

    def __init__(self, k: int) -> None:
        super().__init__(k)

    def best(self, sizes: Int[Tensor, " q"]) -> Float[Tensor, " q"]:
        """The length of the list; see `PerQuery.best`."""
        return torch.full_like(sizes, self.k, dtype=torch.float64)
